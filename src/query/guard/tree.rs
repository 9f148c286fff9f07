//! The walk over the tree that DuckDB's `json_serialize_sql` makes of a statement.

use super::{Named, Needs, Refusal, TABLE_FUNCTIONS, is_allowed};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Walk = Result<(), Refusal>;

/// Checks the tree of one statement. `known` says whether a name is one of a table that may be read.
///
/// # Errors
/// The first node that is not known to be harmless.
pub fn check(tree: &Value, known: &dyn Fn(&Named) -> bool) -> Result<Needs, Refusal> {
    let root = Fields::of(
        tree,
        "the statement",
        &["error", "statements", "error_type", "error_message", "error_subtype", "position"],
    )?;
    if root.get("error").as_bool() != Some(false) {
        return Err(not_select(root.get("error_message").as_str().unwrap_or("it cannot be parsed")));
    }
    let [statement] = root.list("statements")? else {
        return Err(Refusal::new("more than one statement").next("ask one question at a time"));
    };
    let mut walker = Walker { known, needs: Needs::default(), scope: Vec::new(), aliases: BTreeSet::new() };
    walker.statement(statement)?;
    let Walker { mut needs, aliases, .. } = walker;
    // A table's name where a column is expected stands for its whole row.
    needs.whole_rows |= needs.columns.iter().any(|c| aliases.contains(c));
    needs.narrowed = super::filters::narrowed(tree);
    Ok(needs)
}

fn not_select(message: &str) -> Refusal {
    if message.starts_with("Only SELECT") {
        Refusal::new("only a SELECT may run here, and this is another kind of statement")
            .next("write one SELECT over the tables that `llmsql schema` shows; nothing here changes data")
    } else {
        Refusal::new(message.lines().next().unwrap_or(message).to_owned())
    }
}

/// An object all of whose fields are known.
struct Fields<'a> {
    object: &'a Map<String, Value>,
    what: &'static str,
}

static NULL: Value = Value::Null;

impl<'a> Fields<'a> {
    fn of(value: &'a Value, what: &'static str, known: &[&str]) -> Result<Self, Refusal> {
        let object = value.as_object().ok_or_else(|| unknown(what, "its shape"))?;
        match object.keys().find(|k| !known.contains(&k.as_str())) {
            Some(key) => Err(unknown(what, key)),
            None => Ok(Fields { object, what }),
        }
    }

    fn get(&self, key: &str) -> &'a Value {
        self.object.get(key).unwrap_or(&NULL)
    }

    fn text(&self, key: &str) -> Result<&'a str, Refusal> {
        self.get(key).as_str().ok_or_else(|| unknown(self.what, key))
    }

    fn list(&self, key: &str) -> Result<&'a [Value], Refusal> {
        match self.get(key) {
            Value::Null => Ok(&[]),
            value => value.as_array().map(Vec::as_slice).ok_or_else(|| unknown(self.what, key)),
        }
    }

    /// Refuses a field that is set.
    fn absent(&self, key: &str, means: &str) -> Walk {
        match self.get(key) {
            Value::Null | Value::Bool(false) => Ok(()),
            Value::String(s) if s.is_empty() => Ok(()),
            Value::Array(a) if a.is_empty() => Ok(()),
            Value::Object(o) if o.is_empty() => Ok(()),
            _ => Err(Refusal::new(format!("{means} is not allowed"))),
        }
    }

    fn one_of(&self, key: &str, allowed: &[&str]) -> Walk {
        let value = self.text(key)?;
        if allowed.contains(&value) { Ok(()) } else { Err(unknown(self.what, value)) }
    }
}

fn unknown(what: &str, detail: &str) -> Refusal {
    Refusal::new(format!("{what} has something that is not known to be harmless ({detail})"))
}

struct Walker<'k> {
    known: &'k dyn Fn(&Named) -> bool,
    needs: Needs,
    /// The CTEs that can be seen from where the walk is, in lower case, innermost last.
    scope: Vec<String>,
    /// Names of rows, in lower case.
    aliases: BTreeSet<String>,
}

impl Walker<'_> {
    fn statement(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(value, "a statement", &["node", "named_param_map"])?;
        fields.absent("named_param_map", "a parameter")?;
        self.node(fields.get("node"))
    }

    fn node(&mut self, value: &Value) -> Walk {
        let outside = self.scope.len();
        let result = match value.get("type").and_then(Value::as_str) {
            Some("SELECT_NODE") => self.select(value),
            Some("SET_OPERATION_NODE") => self.set_operation(value),
            Some("RECURSIVE_CTE_NODE") => self.recursive(value),
            other => Err(unknown("a query", other.unwrap_or("no type"))),
        };
        self.scope.truncate(outside);
        result
    }

    fn select(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a SELECT",
            &[
                "type",
                "modifiers",
                "cte_map",
                "select_list",
                "from_table",
                "where_clause",
                "group_expressions",
                "group_sets",
                "aggregate_handling",
                "having",
                "sample",
                "qualify",
            ],
        )?;
        fields.absent("sample", "a random sample")?;
        self.ctes(fields.get("cte_map"))?;
        self.table(fields.get("from_table"))?;
        self.expressions(fields.list("select_list")?)?;
        self.expressions(fields.list("group_expressions")?)?;
        for key in ["where_clause", "having", "qualify"] {
            self.optional(fields.get(key))?;
        }
        self.modifiers(fields.list("modifiers")?)
    }

    fn set_operation(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a set operation",
            &["type", "modifiers", "cte_map", "setop_type", "left", "right", "setop_all", "children"],
        )?;
        fields.one_of("setop_type", &["UNION", "UNION_BY_NAME", "EXCEPT", "INTERSECT"])?;
        self.ctes(fields.get("cte_map"))?;
        for key in ["left", "right"] {
            if !fields.get(key).is_null() {
                self.node(fields.get(key))?;
            }
        }
        for child in fields.list("children")? {
            self.node(child)?;
        }
        self.modifiers(fields.list("modifiers")?)
    }

    fn recursive(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a recursive query",
            &[
                "type",
                "modifiers",
                "cte_map",
                "cte_name",
                "union_all",
                "left",
                "right",
                "aliases",
                "key_targets",
                "payload_aggregates",
            ],
        )?;
        self.ctes(fields.get("cte_map"))?;
        self.node(fields.get("left"))?;
        self.scope.push(fields.text("cte_name")?.to_lowercase());
        self.expressions(fields.list("key_targets")?)?;
        self.expressions(fields.list("payload_aggregates")?)?;
        self.node(fields.get("right"))?;
        self.modifiers(fields.list("modifiers")?)
    }

    /// Each CTE sees those before it; the query they belong to sees all of them.
    fn ctes(&mut self, value: &Value) -> Walk {
        if value.is_null() {
            return Ok(());
        }
        let map = Fields::of(value, "WITH", &["map"])?;
        for entry in map.list("map")? {
            let entry = Fields::of(entry, "WITH", &["key", "value"])?;
            let cte = Fields::of(entry.get("value"), "WITH", &["aliases", "query", "materialized", "key_targets"])?;
            self.statement(cte.get("query"))?;
            self.expressions(cte.list("key_targets")?)?;
            let name = entry.text("key")?.to_lowercase();
            self.aliases.insert(name.clone());
            self.scope.push(name);
        }
        Ok(())
    }

    fn modifiers(&mut self, list: &[Value]) -> Walk {
        list.iter().try_for_each(|m| match m.get("type").and_then(Value::as_str) {
            Some("ORDER_MODIFIER") => self.order(m),
            Some("LIMIT_MODIFIER" | "LIMIT_PERCENT_MODIFIER") => {
                let fields = Fields::of(m, "LIMIT", &["type", "limit", "offset"])?;
                self.optional(fields.get("limit"))?;
                self.optional(fields.get("offset"))
            }
            Some("DISTINCT_MODIFIER") => {
                let fields = Fields::of(m, "DISTINCT", &["type", "distinct_on_targets"])?;
                self.expressions(fields.list("distinct_on_targets")?)
            }
            other => Err(unknown("a query", other.unwrap_or("a modifier"))),
        })
    }

    fn order(&mut self, value: &Value) -> Walk {
        if value.is_null() {
            return Ok(());
        }
        let fields = Fields::of(value, "ORDER BY", &["type", "orders"])?;
        fields.one_of("type", &["ORDER_MODIFIER"])?;
        self.orders(fields.list("orders")?)
    }

    fn orders(&mut self, list: &[Value]) -> Walk {
        list.iter().try_for_each(|order| {
            let fields = Fields::of(order, "ORDER BY", &["type", "null_order", "expression"])?;
            self.expression(fields.get("expression"))
        })
    }

    fn table(&mut self, value: &Value) -> Walk {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        if let Some(alias) = value.get("alias").and_then(Value::as_str).filter(|a| !a.is_empty()) {
            self.aliases.insert(alias.to_lowercase());
        }
        match kind {
            "EMPTY" => {
                Fields::of(value, "FROM", &["type", "alias", "sample", "query_location"])?.absent("sample", "a sample")
            }
            "BASE_TABLE" => self.base_table(value),
            "JOIN" => self.join(value),
            "SUBQUERY" => self.derived(value),
            "EXPRESSION_LIST" => self.values(value),
            "TABLE_FUNCTION" => self.table_function(value),
            "SHOW_REF" => {
                Err(Refusal::new("SHOW, DESCRIBE and SUMMARIZE are not allowed here").next("use `llmsql schema`"))
            }
            other => Err(unknown("FROM", other)),
        }
    }

    fn base_table(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a table",
            &[
                "type",
                "alias",
                "sample",
                "query_location",
                "schema_name",
                "table_name",
                "column_name_alias",
                "catalog_name",
                "at_clause",
            ],
        )?;
        fields.absent("sample", "a random sample")?;
        fields.absent("at_clause", "AT")?;
        let part = |key| fields.get(key).as_str().unwrap_or_default().to_owned();
        let named = Named { catalog: part("catalog_name"), schema: part("schema_name"), table: part("table_name") };
        self.needs.whole_rows |= !fields.list("column_name_alias")?.is_empty();
        let lower = named.table.to_lowercase();
        self.aliases.insert(lower.clone());
        if named.catalog.is_empty() && named.schema.is_empty() && self.scope.contains(&lower) {
            return Ok(());
        }
        if !(self.known)(&named) {
            let parts = [&named.catalog, &named.schema, &named.table];
            let shown: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).map(String::as_str).collect();
            return Err(Refusal::new(format!("there is no table \"{}\" among the sources", shown.join(".")))
                .next("`llmsql schema` shows the tables; name further sources with --source"));
        }
        self.needs.tables.insert(named);
        Ok(())
    }

    fn join(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a join",
            &[
                "type",
                "alias",
                "sample",
                "query_location",
                "left",
                "right",
                "condition",
                "join_type",
                "ref_type",
                "using_columns",
                "delim_flipped",
                "duplicate_eliminated_columns",
            ],
        )?;
        fields.absent("sample", "a random sample")?;
        fields.absent("duplicate_eliminated_columns", "an internal join")?;
        fields.one_of("join_type", &["INNER", "LEFT", "RIGHT", "OUTER", "FULL", "SEMI", "ANTI"])?;
        fields.one_of("ref_type", &["REGULAR", "CROSS", "NATURAL", "POSITIONAL", "ASOF"])?;
        self.needs.whole_rows |= fields.text("ref_type")? == "NATURAL";
        let using = fields.list("using_columns")?.iter().filter_map(Value::as_str).map(str::to_lowercase);
        self.needs.columns.extend(using);
        self.table(fields.get("left"))?;
        self.table(fields.get("right"))?;
        self.optional(fields.get("condition"))
    }

    fn derived(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a subquery",
            &["type", "alias", "sample", "query_location", "subquery", "column_name_alias"],
        )?;
        fields.absent("sample", "a random sample")?;
        self.statement(fields.get("subquery"))
    }

    fn values(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "VALUES",
            &[
                "type",
                "alias",
                "sample",
                "query_location",
                "expected_names",
                "expected_types",
                "values",
                "column_name_alias",
            ],
        )?;
        fields.absent("sample", "a random sample")?;
        fields.list("values")?.iter().try_for_each(|row| match row.as_array() {
            Some(row) => self.expressions(row),
            None => Err(unknown("VALUES", "a row")),
        })
    }

    fn table_function(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a table function",
            &["type", "alias", "sample", "query_location", "function", "column_name_alias", "with_ordinality"],
        )?;
        fields.absent("sample", "a random sample")?;
        let function = fields.get("function");
        let name = function.get("function_name").and_then(Value::as_str).unwrap_or_default();
        if !TABLE_FUNCTIONS.contains(&name.to_ascii_lowercase().as_str()) {
            return Err(Refusal::new(format!("the table function {name}() is not allowed"))
                .next("name files and databases with --source; in FROM there may be tables, range, generate_series and unnest"));
        }
        let fields = self.call(function)?;
        self.expressions(fields.list("children")?)
    }

    /// The common part of a function's call; its arguments are the caller's to walk.
    fn call<'a>(&mut self, value: &'a Value) -> Result<Fields<'a>, Refusal> {
        let fields = Fields::of(
            value,
            "a function",
            &[
                "class",
                "type",
                "alias",
                "query_location",
                "function_name",
                "schema",
                "catalog",
                "children",
                "filter",
                "order_bys",
                "distinct",
                "is_operator",
                "export_state",
            ],
        )?;
        fields.absent("export_state", "EXPORT_STATE")?;
        qualified(&fields)?;
        self.optional(fields.get("filter"))?;
        self.order(fields.get("order_bys"))?;
        Ok(fields)
    }

    fn expressions(&mut self, list: &[Value]) -> Walk {
        list.iter().try_for_each(|e| self.expression(e))
    }

    fn optional(&mut self, value: &Value) -> Walk {
        if value.is_null() { Ok(()) } else { self.expression(value) }
    }

    fn expression(&mut self, value: &Value) -> Walk {
        match value.get("class").and_then(Value::as_str).unwrap_or_default() {
            "CONSTANT" => {
                Fields::of(value, "a constant", &["class", "type", "alias", "query_location", "value"]).map(drop)
            }
            "COLUMN_REF" => self.column(value),
            "FUNCTION" => self.function(value),
            "WINDOW" => self.window(value),
            "OPERATOR" => {
                let fields =
                    Fields::of(value, "an operator", &["class", "type", "alias", "query_location", "children"])?;
                self.expressions(fields.list("children")?)
            }
            "CONJUNCTION" => {
                let fields = Fields::of(value, "AND or OR", &["class", "type", "alias", "query_location", "children"])?;
                self.expressions(fields.list("children")?)
            }
            "COMPARISON" => self.parts(value, "a comparison", &["left", "right"]),
            "BETWEEN" => self.parts(value, "BETWEEN", &["input", "lower", "upper"]),
            "COLLATE" => self.collate(value),
            "LAMBDA" => self.parts(value, "a lambda", &["lhs", "expr"]),
            "CASE" => self.case(value),
            "CAST" => self.cast(value),
            "SUBQUERY" => self.subquery(value),
            "STAR" => self.star(value),
            "POSITIONAL_REFERENCE" => {
                self.needs.whole_rows = true;
                Fields::of(value, "a position", &["class", "type", "alias", "query_location", "index"]).map(drop)
            }
            "PARAMETER" => {
                Err(Refusal::new("the SQL has a parameter without a value").next("write the value in its place"))
            }
            other => Err(unknown("an expression", other)),
        }
    }

    fn parts(&mut self, value: &Value, what: &'static str, keys: &[&str]) -> Walk {
        let mut known = vec!["class", "type", "alias", "query_location"];
        known.extend(keys);
        let fields = Fields::of(value, what, &known)?;
        keys.iter().try_for_each(|key| self.expression(fields.get(key)))
    }

    fn column(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(value, "a column", &["class", "type", "alias", "query_location", "column_names"])?;
        let names = fields.list("column_names")?.iter().filter_map(Value::as_str).map(str::to_lowercase);
        let names: Vec<String> = names.collect();
        // Of a qualified name the last parts may be the column and its fields; the first is the table's.
        let skip = usize::from(names.len() > 1 && names.first().is_some_and(|n| self.aliases.contains(n)));
        self.needs.columns.extend(names.into_iter().skip(skip));
        Ok(())
    }

    fn function(&mut self, value: &Value) -> Walk {
        let fields = self.call(value)?;
        allowed(fields.text("function_name")?)?;
        self.expressions(fields.list("children")?)
    }

    fn window(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a window function",
            &[
                "class",
                "type",
                "alias",
                "query_location",
                "function_name",
                "schema",
                "catalog",
                "children",
                "partitions",
                "orders",
                "start",
                "end",
                "start_expr",
                "end_expr",
                "offset_expr",
                "default_expr",
                "ignore_nulls",
                "filter_expr",
                "exclude_clause",
                "distinct",
                "arg_orders",
            ],
        )?;
        qualified(&fields)?;
        allowed(fields.text("function_name")?)?;
        self.expressions(fields.list("children")?)?;
        self.expressions(fields.list("partitions")?)?;
        self.orders(fields.list("orders")?)?;
        self.orders(fields.list("arg_orders")?)?;
        for key in ["start_expr", "end_expr", "offset_expr", "default_expr", "filter_expr"] {
            self.optional(fields.get(key))?;
        }
        Ok(())
    }

    fn case(&mut self, value: &Value) -> Walk {
        let fields =
            Fields::of(value, "CASE", &["class", "type", "alias", "query_location", "case_checks", "else_expr"])?;
        for check in fields.list("case_checks")? {
            let check = Fields::of(check, "CASE", &["when_expr", "then_expr"])?;
            self.expression(check.get("when_expr"))?;
            self.expression(check.get("then_expr"))?;
        }
        self.optional(fields.get("else_expr"))
    }

    fn cast(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a cast",
            &["class", "type", "alias", "query_location", "child", "cast_type", "try_cast"],
        )?;
        data_type(fields.get("cast_type"))?;
        self.expression(fields.get("child"))
    }

    fn collate(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(value, "COLLATE", &["class", "type", "alias", "query_location", "child", "collation"])?;
        self.expression(fields.get("child"))
    }

    fn subquery(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "a subquery",
            &["class", "type", "alias", "query_location", "subquery_type", "subquery", "child", "comparison_type"],
        )?;
        fields.one_of("subquery_type", &["SCALAR", "EXISTS", "NOT_EXISTS", "ANY"])?;
        self.optional(fields.get("child"))?;
        self.statement(fields.get("subquery"))
    }

    fn star(&mut self, value: &Value) -> Walk {
        let fields = Fields::of(
            value,
            "*",
            &[
                "class",
                "type",
                "alias",
                "query_location",
                "relation_name",
                "exclude_list",
                "replace_list",
                "columns",
                "expr",
                "qualified_exclude_list",
                "rename_list",
                "unpacked",
            ],
        )?;
        self.needs.whole_rows = true;
        for entry in fields.list("replace_list")? {
            let entry = Fields::of(entry, "REPLACE", &["key", "value"])?;
            self.expression(entry.get("value"))?;
        }
        self.optional(fields.get("expr"))
    }
}

/// A function of another schema may be anything; `main` is what the parser writes for `[…]` and `{…}`.
fn qualified(fields: &Fields<'_>) -> Walk {
    if fields.get("schema").as_str() != Some("main") {
        fields.absent("schema", "a function of a schema")?;
    }
    fields.absent("catalog", "a function of a catalogue")
}

fn allowed(function: &str) -> Walk {
    if is_allowed(function) {
        return Ok(());
    }
    Err(Refusal::new(format!("the function {function}() is not allowed"))
        .next("only functions that compute from their arguments may be called: none that reads files, settings or the session, or is random"))
}

/// A type may be any of DuckDB's own; its parts are data, except a type made by an expression.
fn data_type(value: &Value) -> Walk {
    match value {
        Value::Object(fields) => {
            if fields.get("class").is_some() {
                return Err(unknown("a type", "an expression"));
            }
            fields.values().try_for_each(data_type)
        }
        Value::Array(items) => items.iter().try_for_each(data_type),
        _ => Ok(()),
    }
}

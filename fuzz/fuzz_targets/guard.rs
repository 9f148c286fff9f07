#![no_main]
//! The guard's walk over trees as the parser makes them and over such as it never would: nothing panics, and in a tree
//! that passes every node, function and table that is walked is on the lists.

use libfuzzer_sys::fuzz_target;
use llmsql_fuzz::guard::{TABLE_FUNCTIONS, check, is_allowed};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::LazyLock;

/// Trees of ordinary queries over a table `t`, one a line, as `json_serialize_sql` makes them.
static TREES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    include_str!("../trees.jsonl").lines().map(|line| serde_json::from_str(line).expect("a tree")).collect()
});

/// What is put where it does not belong: every part of every tree, and words that have to be refused.
static PARTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut parts: Vec<Value> = WORDS.split_whitespace().map(Value::from).collect();
    parts.extend([Value::Null, json!(true), json!(1), json!([]), json!({}), json!("")]);
    let mut trees: Vec<&Value> = TREES.iter().collect();
    while let Some(part) = trees.pop() {
        trees.extend(children(part));
        parts.push(part.clone());
    }
    parts
});

const WORDS: &str = "read_csv READ_TEXT glob getenv query query_table pragma_version random current_setting sqlite_scan \
    SHOW_REF PIVOT CTE_NODE COLUMN_DATA DELIM_GET BOUND_FUNCTION BOUND_REF DEFAULT LAMBDA_REF PARAMETER SUBQUERY FUNCTION \
    WINDOW OPERATOR TABLE_FUNCTION BASE_TABLE EXPRESSION_LIST secrets pg_catalog system main sum range class type";

/// The fields whose contents are walked wherever they may stand.
const WALKED: &str = "statements node subquery query left right children select_list from_table where_clause \
    group_expressions having qualify modifiers limit offset distinct_on_targets orders expression condition values \
    filter order_bys partitions arg_orders start_expr end_expr offset_expr default_expr filter_expr lhs expr case_checks \
    when_expr then_expr else_expr child input lower upper replace_list value cte_map map key_targets payload_aggregates";

const CLASSES: &str = "CONSTANT COLUMN_REF FUNCTION WINDOW OPERATOR CONJUNCTION COMPARISON BETWEEN COLLATE LAMBDA CASE CAST \
    SUBQUERY STAR POSITIONAL_REFERENCE";

const TYPES: &str = "SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE ORDER_MODIFIER LIMIT_MODIFIER \
    LIMIT_PERCENT_MODIFIER DISTINCT_MODIFIER EMPTY BASE_TABLE JOIN SUBQUERY EXPRESSION_LIST TABLE_FUNCTION";

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn listed(list: &str, word: &Value) -> bool {
    word.as_str().is_some_and(|word| list.split_whitespace().any(|known| known == word))
}

/// The names of the CTEs of a tree, wherever they are.
fn ctes(value: &Value, out: &mut HashSet<String>) {
    for name in [&value["key"], &value["cte_name"]] {
        out.extend(name.as_str().map(str::to_lowercase));
    }
    children(value).into_iter().for_each(|child| ctes(child, out));
}

fn harmless(value: &Value, ctes: &HashSet<String>) {
    let Value::Object(fields) = value else {
        return children(value).into_iter().for_each(|child| harmless(child, ctes));
    };
    match fields.get("class") {
        Some(class) => assert!(listed(CLASSES, class), "{class} passed"),
        // The type of an order is its direction.
        None if fields.contains_key("type") && !fields.contains_key("expression") => {
            assert!(listed(TYPES, &fields["type"]), "{} passed", fields["type"]);
        }
        None => {}
    }
    if let Some(name) = fields.get("function_name") {
        assert!(is_allowed(name.as_str().expect("a name")), "{name}() passed");
    }
    if value["type"] == "TABLE_FUNCTION" {
        let function = &value["function"];
        let name = function["function_name"].as_str().expect("a name").to_ascii_lowercase();
        assert!(TABLE_FUNCTIONS.contains(&name.as_str()), "{name}() passed");
        harmless(&function["children"], ctes);
        harmless(&function["filter"], ctes);
    }
    if value["class"].is_null() && value["type"] == "BASE_TABLE" {
        let name = value["table_name"].as_str().unwrap_or_default();
        assert!(name == "t" || ctes.contains(&name.to_lowercase()), "the table {name} passed");
    }
    for (key, inner) in fields {
        let constant = value["class"] == "CONSTANT";
        if !constant && WALKED.split_whitespace().any(|walked| walked == key) {
            harmless(inner, ctes);
        }
    }
}

/// Changes one part of a tree, the one of this number.
fn change(value: &mut Value, left: &mut usize, how: u8, part: &Value) -> bool {
    if *left == 0 {
        match (how % 4, &mut *value) {
            (0, Value::Object(fields)) => {
                let key = part.as_str().unwrap_or("alias").to_owned();
                fields.insert(key, part.clone());
            }
            (1, Value::Object(fields)) => {
                let key = fields.keys().nth(usize::from(how / 4) % fields.len().max(1)).cloned();
                key.map(|key| fields.remove(&key));
            }
            (1 | 2, Value::Array(items)) => items.push(part.clone()),
            _ => *value = part.clone(),
        }
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, left, how, part)),
        Value::Object(fields) => fields.values_mut().any(|item| change(item, left, how, part)),
        _ => false,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut tree = match bytes {
        [b'{', ..] => match serde_json::from_slice(bytes) {
            Ok(tree) => tree,
            Err(_) => return,
        },
        [which, ..] => TREES[usize::from(*which) % TREES.len()].clone(),
        [] => return,
    };
    if bytes[0] != b'{' {
        for edit in bytes[1..].chunks_exact(5).take(8) {
            let mut at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % 1024;
            let part = usize::from(u16::from_le_bytes([edit[2], edit[3]])) % PARTS.len();
            change(&mut tree, &mut at, edit[4], &PARTS[part]);
        }
    }
    let known = |named: &llmsql_fuzz::guard::Named| named.table == "t";
    if check(&tree, &known).is_ok() {
        let mut names = HashSet::new();
        ctes(&tree, &mut names);
        harmless(&tree, &names);
    }
});

//! Keys that nobody declared: what names, types and values suggest.

use super::schema::{Column, ForeignKey, Kind, Schema, Table};

/// Whether a column's values differ from row to row: table, column.
pub type Unique<'a> = &'a dyn Fn(&str, &str) -> bool;
/// Whether the values of a column occur in another: table, column, other table, its column.
pub type Included<'a> = &'a dyn Fn(&str, &str, &str, &str) -> bool;

/// Infers primary keys (table, columns) where a table has none, and references between tables. What the sources
/// declare is left alone.
pub fn infer(
    schema: &Schema,
    unique: Unique<'_>,
    included: Included<'_>,
) -> (Vec<(String, Vec<String>)>, Vec<ForeignKey>) {
    let mut primary: Vec<(String, Vec<String>)> = Vec::new();
    for table in schema.tables.iter().filter(|t| t.primary_key.is_empty()) {
        if let Some(column) = likely_key(table).filter(|c| unique(&table.name, &c.name)) {
            primary.push((table.name.clone(), vec![column.name.clone()]));
        }
    }
    let key_of = |table: &Table| -> Option<String> {
        let inferred = primary.iter().find(|(t, _)| *t == table.name).map(|(_, k)| k);
        match inferred.unwrap_or(&table.primary_key).as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    };
    let targets: Vec<Target<'_>> = schema.tables.iter().filter_map(|to| Target::new(to, key_of(to)?)).collect();
    let mut foreign = Vec::new();
    for table in &schema.tables {
        for column in table.columns.iter().filter(|c| may_refer(c)) {
            let declared = schema.keys.iter().any(|k| k.table == table.name && k.columns.contains(&column.name));
            if declared {
                continue;
            }
            let name = plain(&column.name);
            let to = targets
                .iter()
                .filter(|to| to.kind == column.kind && to.table != table.name)
                .filter(|to| to.names.meant_by(&name) || role(&column.name).any(|tail| to.names.meant_by(&tail)))
                .find(|to| included(&table.name, &column.name, to.table, &to.key));
            if let Some(to) = to {
                foreign.push(ForeignKey {
                    table: table.name.clone(),
                    columns: vec![column.name.clone()],
                    to_table: to.table.to_owned(),
                    to_columns: vec![to.key.clone()],
                    declared: false,
                });
            }
        }
    }
    (primary, foreign)
}

/// Whether a column's name may be that of a key or of a reference, as most are.
pub(super) fn may_be_part(column: &str) -> bool {
    let name = plain(column);
    ["id", "key", "no", "code"].iter().any(|end| name.ends_with(end))
}

/// What is left of a column's name without the words that say in which role it refers, plain: `station_id` of
/// `start_station_id`.
fn role(name: &str) -> impl Iterator<Item = String> {
    let begins = |(at, c): (usize, char)| {
        let before = name.get(..at).and_then(|head| head.chars().next_back());
        let word = before.is_some_and(|b| !b.is_alphanumeric() || b.is_lowercase() && c.is_uppercase());
        word.then(|| name.get(at..).map(plain)).flatten()
    };
    name.char_indices().filter_map(begins)
}

/// A table whose key is one column, to which others may refer.
struct Target<'a> {
    table: &'a str,
    key: String,
    kind: Kind,
    names: Names,
}

impl<'a> Target<'a> {
    fn new(table: &'a Table, key: String) -> Option<Self> {
        let kind = table.columns.iter().find(|c| c.name == key)?.kind;
        Some(Target { table: &table.name, kind, names: Names::new(&table.name, &key), key })
    }
}

/// A table's name, its singular and its key's name, plain.
struct Names {
    stems: [String; 2],
    key: String,
}

/// Numbers of a decimal type are keys as well where their name says so.
fn may_refer(column: &Column) -> bool {
    matches!(column.kind, Kind::Integer | Kind::Text | Kind::Float)
}

/// The column that most likely identifies a row: `id`, or the table's name with `id`.
fn likely_key(table: &Table) -> Option<&Column> {
    let names = Names::new(&table.name, "id");
    let own = |c: &&Column| {
        let name = plain(&c.name);
        name == "id" || names.meant_by(&name)
    };
    // The first column, named by the first or last word of the table: `attribute_id` of `attribute_definitions`.
    let first = || {
        table.columns.first().filter(|c| {
            let name = plain(&c.name);
            let part =
                |head: &str| head.len() >= 4 && names.stems.iter().any(|s| s.starts_with(head) || s.ends_with(head));
            may_refer(c) && name.strip_suffix("id").is_some_and(part)
        })
    };
    table.columns.iter().filter(|c| may_refer(c)).find(own).or_else(first)
}

impl Names {
    fn new(table: &str, key: &str) -> Self {
        let table = plain(table);
        Names { stems: [singular(&table), table], key: plain(key) }
    }

    /// Whether a column's plain name says that it holds the table's key: `customer_id` and `customerId` refer to
    /// `customers`; `customer_id` refers to a key of the same name.
    fn meant_by(&self, column: &str) -> bool {
        let key = self.key.as_str();
        if key != "id" && column == key && key.len() > 2 {
            return ["id", "key", "code", "no"].iter().any(|end| key.ends_with(end));
        }
        self.stems.iter().any(|stem| {
            column
                .strip_prefix(stem.as_str())
                .is_some_and(|rest| ["id", "key", "no", "code"].contains(&rest) || (!rest.is_empty() && rest == key))
        })
    }
}

/// Letters and digits in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The singular of a plural noun, as far as its ending tells.
pub(super) fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        format!("{stem}y")
    } else if let Some(stem) =
        ["ses", "xes", "ches", "shes"].iter().find_map(|end| name.strip_suffix(end).map(|s| (s, end)))
    {
        format!("{}{}", stem.0, stem.1.strip_suffix("es").unwrap_or_default())
    } else {
        name.strip_suffix('s').unwrap_or(name).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, columns: &[&str]) -> Table {
        let columns =
            columns.iter().map(|c| Column { name: (*c).to_owned(), kind: Kind::Integer, ..Column::default() });
        Table { name: name.to_owned(), columns: columns.collect(), ..Table::default() }
    }

    #[test]
    fn names_suggest_keys_and_values_decide() {
        let schema = Schema {
            tables: vec![table("customers", &["id", "age"]), table("orders", &["order_id", "customerId", "age"])],
            keys: Vec::new(),
        };
        let (primary, foreign) = infer(&schema, &|_, _| true, &|_, _, _, _| true);
        assert_eq!(primary.len(), 2);
        assert_eq!(foreign.len(), 1, "{foreign:?}");
        assert_eq!((foreign[0].columns[0].as_str(), foreign[0].to_table.as_str()), ("customerId", "customers"));
        assert!(infer(&schema, &|_, _| true, &|_, _, _, _| false).1.is_empty());
        assert!(infer(&schema, &|_, _| false, &|_, _, _, _| true).1.is_empty());
    }

    #[test]
    fn a_role_before_a_key_refers_as_well_and_a_part_of_a_name_identifies() {
        let schema = Schema {
            tables: vec![
                table("station", &["id", "city"]),
                table("trip", &["id", "start_station_id", "endStationId", "substation_identity"]),
                table("attribute_definitions", &["attribute_id", "label"]),
                table("attributes", &["entry", "attribute_id"]),
            ],
            keys: Vec::new(),
        };
        let (primary, foreign) = infer(&schema, &|_, c| c != "entry", &|_, _, _, _| true);
        assert!(primary.contains(&("attribute_definitions".to_owned(), vec!["attribute_id".to_owned()])));
        let found: Vec<(&str, &str)> = foreign.iter().map(|k| (k.columns[0].as_str(), k.to_table.as_str())).collect();
        assert!(found.contains(&("start_station_id", "station")), "{found:?}");
        assert!(found.contains(&("endStationId", "station")), "{found:?}");
        assert!(found.iter().all(|(column, _)| *column != "substation_identity"), "{found:?}");
    }

    #[test]
    fn plurals_have_a_singular() {
        for (many, one) in
            [("boxes", "box"), ("cities", "city"), ("classes", "class"), ("orders", "order"), ("staff", "staff")]
        {
            assert_eq!(singular(many), one);
        }
    }
}

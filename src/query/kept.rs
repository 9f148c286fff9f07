//! The values of large columns, found whatever their case. There may be millions, and most runs look up none or few.

use super::language::Hit;
use super::protocol::Values;
use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hasher};
use std::mem::ManuallyDrop;

/// Values by column.
#[derive(Debug)]
pub struct Kept {
    /// Never freed one by one: the program ends with them.
    columns: ManuallyDrop<Vec<Values>>,
    /// Where each value stands (column, position), after a hash of its lower case, sorted; made when it is first needed.
    places: OnceCell<Vec<(u64, u32, u32)>>,
}

impl Kept {
    /// Takes the values.
    #[must_use]
    pub fn new(columns: Vec<Values>) -> Self {
        Kept { columns: ManuallyDrop::new(columns), places: OnceCell::new() }
    }

    /// Where a text stands as a whole value, in any case.
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<Hit> {
        if self.columns.is_empty() {
            return Vec::new();
        }
        let places = self.places.get_or_init(|| self.places());
        let (lower, hash) = (text.to_lowercase(), hash(text));
        let from = places.partition_point(|(other, _, _)| *other < hash);
        let same = places.iter().skip(from).take_while(|(other, _, _)| *other == hash);
        same.filter_map(|(_, column, at)| {
            let column = self.columns.get(*column as usize)?;
            let value = column.values.get(*at as usize).filter(|value| value.to_lowercase() == lower)?;
            Some(Hit { table: column.table.clone(), column: column.column.clone(), value: value.clone() })
        })
        .collect()
    }

    fn places(&self) -> Vec<(u64, u32, u32)> {
        let mut places: Vec<(u64, u32, u32)> = (0..)
            .zip(self.columns.iter())
            .flat_map(|(i, column)| (0..).zip(&column.values).map(move |(at, value)| (hash(value), i, at)))
            .collect();
        places.sort_unstable();
        places
    }
}

/// A hash of the lower case.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    if text.is_ascii() {
        text.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    } else {
        text.to_lowercase().bytes().for_each(|byte| hasher.write_u8(byte));
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_any_case_and_in_every_column() {
        let column = |name: &str, values: &[&str]| Values {
            table: "t".to_owned(),
            column: name.to_owned(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        let kept = Kept::new(vec![column("a", &["Ada", "ÉTÉ", "İ"]), column("b", &["x", "ADA"])]);
        let found = |text: &str| {
            kept.find(text).into_iter().map(|hit| format!("{}={}", hit.column, hit.value)).collect::<Vec<_>>()
        };
        assert_eq!(found("aDa"), ["a=Ada", "b=ADA"]);
        assert_eq!(found("été"), ["a=ÉTÉ"]);
        assert_eq!(found("i\u{307}"), ["a=İ"]);
        assert!(found("ad").is_empty() && Kept::new(Vec::new()).find("x").is_empty());
    }
}

//! Stored values, whole or in part, that a phrase says.

use super::super::cues;
use super::super::index::ColumnId;
use super::super::logic::{Cond, Expr, Literal, Op, Operand, Place};
use super::super::operations::Status;
use super::super::synonyms;
use super::super::words::Token;
use super::{Reader, Word};

impl Reader<'_, '_, '_> {
    /// A value that is stored in the table.
    pub(super) fn value(&self, phrase: &[Token]) -> Option<Word> {
        let (first, last) = (phrase.first()?, phrase.last()?);
        let text = self.question.get(first.start..last.end)?;
        let code = text.chars().any(|c| c.is_ascii_digit()) && text.chars().any(char::is_alphabetic);
        if text.len() < 3 && !code || phrase.len() == 1 && cues::of(&first.lower).is_some() && !first.is_capital() {
            return None;
        }
        let own = |lower: &str| {
            let values = self.index.values(lower);
            let found = values.iter().find(|v| v.column.table == self.log.table);
            let found = found.or_else(|| values.iter().find(|v| self.log.referred.contains(&v.column.table)));
            found.map(|v| Word::Value(v.column, v.text.clone()))
        };
        let lower = text.to_lowercase();
        // "deletes per hour": requests with the method.
        if let (Some(verb @ ("delete" | "post" | "put" | "patche")), Some(Status::Http(_))) =
            (lower.strip_suffix('s'), &self.log.status)
            && let Some(Word::Value(column, method)) = own(if verb == "patche" { "patch" } else { verb })
            && self.index.column(column).words.has("method")
        {
            let method = Operand::Literal(Literal::Text(method));
            return Some(Word::Cond(Cond::Compare(Expr::Column(column), Op::Eq, method)));
        }
        own(&lower).or_else(|| synonyms::of_value(&lower).iter().find_map(|other| own(other)))
    }

    /// A word that occurs as such in values of one column, `nginx` in `nginx.service`, or names a program that asks.
    pub(super) fn part_of_value(&self, phrase: &[Token]) -> Option<Word> {
        let plain = |t: &Token| t.lower.chars().count() >= 4 && t.lower.chars().all(char::is_alphanumeric);
        if phrase.len() > 4 || !phrase.iter().all(|t| plain(t) && cues::of(&t.lower).is_none()) {
            return None;
        }
        let text = phrase.iter().map(|t| t.text.as_str()).collect::<Vec<_>>().join(" ");
        let lower = text.to_lowercase();
        let like = |c: ColumnId| Word::Cond(Cond::Like(c, Place::Inside, text.clone(), false));
        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect::<Vec<_>>();
        let wanted: Vec<String> = phrase.iter().map(|t| t.lower.clone()).collect();
        let has = |value: &String| {
            value.to_lowercase().contains(&lower) && words(value).windows(wanted.len()).any(|w| w == wanted.as_slice())
        };
        let mut columns =
            self.index.columns(self.log.table).filter(|c| self.index.column(*c).column.values.iter().any(has));
        match (columns.next(), columns.next()) {
            (Some(only), None) => Some(like(only)),
            (None, _) if lower.ends_with("bot") || lower.ends_with("crawler") || lower.ends_with("spider") => {
                self.log.agent.map(like)
            }
            _ => None,
        }
    }

    pub(super) fn quoted(&self, text: &str) -> Word {
        let found = self.index.values(&text.to_lowercase()).iter().find(|v| v.column.table == self.log.table);
        found.map_or_else(|| Word::Text(text.to_owned()), |v| Word::Value(v.column, v.text.clone()))
    }
}

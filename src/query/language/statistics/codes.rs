//! Numbers that are codes of HTTP.

use std::ops::Range;

use super::super::cues::Cue;
use super::super::logic::{Cond, Expr, Literal, Op, Operand};
use super::super::operations::Status;
use super::{Reader, Word};

impl Reader<'_, '_, '_> {
    /// Numbers that can be nothing but a code of HTTP: `404`, `500s`.
    pub(super) fn codes(&self, found: &mut [(Option<Word>, Range<usize>)]) {
        let Some(Status::Http(column)) = self.log.status else { return };
        let said: Vec<usize> = (0..found.len()).filter(|at| found.get(*at).is_some_and(|f| f.0.is_some())).collect();
        let word = |place: Option<usize>| {
            let at = place.and_then(|p| said.get(p)).copied()?;
            found.get(at)?.0.as_ref().map(|word| (at, word))
        };
        let mut codes: Vec<(usize, Option<usize>, f64)> = Vec::new();
        for place in 0..said.len() {
            let Some((at, Word::Number(n))) = word(Some(place)) else { continue };
            let before = word(place.checked_sub(1)).map(|(_, w)| w);
            let compared = matches!(
                before,
                Some(Word::Column(_) | Word::Took | Word::Cue(Cue::Compare(..) | Cue::Between | Cue::Behind(_)))
            );
            let between = said.iter().any(|at| matches!(found.get(*at), Some((Some(Word::Cue(Cue::Between)), _))));
            let after = word(Some(place + 1));
            // "500s" is written as one word.
            let end = |at: usize| found.get(at).and_then(|f| self.tokens.get(f.1.end.checked_sub(1)?)).map(|t| t.end);
            let start = |at: usize| found.get(at).and_then(|f| self.tokens.get(f.1.start)).map(|t| t.start);
            let several = after
                .filter(|(next, w)| matches!(w, Word::Unit(unit) if *unit == 1000.0) && start(*next) == end(at))
                .map(|(next, _)| next);
            let unit = several.is_none()
                && matches!(after, Some((_, Word::Unit(_) | Word::Bytes(_) | Word::Cue(Cue::Behind(_)))));
            let code = several.is_some() && (100.0..600.0).contains(n) && n.fract() == 0.0 || is_code(*n);
            // "never returned 500": no number of rows is said last.
            let last = place > 0
                && matches!(n, 200.0 | 300.0 | 400.0 | 500.0)
                && !matches!(before, Some(Word::Cue(Cue::Top(_)) | Word::Time(_) | Word::Number(_)))
                && matches!(after, None | Some((_, Word::Date(_) | Word::Series(_) | Word::Cue(Cue::By | Cue::Each))));
            let code = code || last;
            if code && !compared && !between && !unit {
                codes.push((at, several, *n));
            }
        }
        for (at, several, n) in codes {
            let code = Operand::Literal(Literal::Number(n));
            if let Some((word, _)) = found.get_mut(at) {
                *word = Some(Word::Cond(Cond::Compare(Expr::Column(column), Op::Eq, code)));
            }
            if let Some((word, _)) = several.and_then(|at| found.get_mut(at)) {
                *word = None;
            }
        }
    }
}

/// A code of HTTP that is no round number of rows.
fn is_code(n: f64) -> bool {
    n.fract() == 0.0
        && [201.0..=208.0, 301.0..=308.0, 401.0..=431.0, 451.0..=451.0, 499.0..=499.0, 501.0..=511.0, 520.0..=527.0]
            .iter()
            .any(|codes| codes.contains(&n))
}

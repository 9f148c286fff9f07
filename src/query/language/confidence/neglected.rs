//! Words of a question that its query must not leave out: groups, shares, means, what never or only happens.

use super::super::assign::{Item, Part};
use super::super::cues::Cue;
use super::super::index::Index;
use super::super::logic::{Agg, Cond, Expr, Op, Query};
use super::super::words::{Shape, Token, number_word};
use crate::query::schema::Kind;

/// Whether a reading leaves out a word that changes what is asked; such a reading is no answer.
#[must_use]
pub fn neglects(index: &Index<'_>, tokens: &[Token], parts: &[Part], query: &Query) -> bool {
    let cue = |part: &Part| {
        let Item::Cue(cue) = &part.item else { return false };
        let phrase = tokens.get(part.start..part.end).unwrap_or_default();
        // "two weeks on top" ranks nothing.
        let on = part.start.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(|t| t.lower == "on");
        !(holds(index, *cue, phrase, query) || on && matches!(cue, Cue::Top(_)))
    };
    parts.iter().any(cue)
        || turns_top_around(tokens, parts, query)
        || leaves_out_by(tokens, parts, query)
        || leaves_out_comparison(tokens, parts, query)
        || leaves_out_number(index, tokens, parts, query)
        || leaves_out_last(tokens, parts)
        || leaves_out_kind(tokens, parts)
        || leaves_out_who(tokens, query)
        || counts_by_attribute(tokens, parts)
        || leaves_out_never_or_only(tokens, query)
}

/// Whether the question asks for the top of an order, says of nothing that little of it counts, and gets the bottom.
fn turns_top_around(tokens: &[Token], parts: &[Part], query: &Query) -> bool {
    let top = |p: &Part| {
        let said = p.end.checked_sub(1).and_then(|last| tokens.get(last)).is_some_and(|t| t.lower == "top");
        said && matches!(p.item, Item::Cue(Cue::Top(true)))
    };
    let other = |p: &Part| {
        matches!(p.item, Item::Cue(Cue::Superlative(..) | Cue::Frequent(_) | Cue::Agg(Agg::Min) | Cue::Ascending))
    };
    let bottom = |q: &Query| q.limit.is_some() && q.order.first().is_some_and(|(_, down)| !down);
    parts.iter().any(top) && !parts.iter().any(other) && anywhere(query, &bottom)
}

/// Whether figures are asked for by the rows of a table, `the average number of retries by job`, and there is one figure.
fn leaves_out_by(tokens: &[Token], parts: &[Part], query: &Query) -> bool {
    let by = |three: &[Part]| {
        let [figure, by, table] = three else { return false };
        let done = figure.end.checked_sub(1).and_then(|last| tokens.get(last)).is_some_and(|t| t.lower.ends_with("ed"));
        let said = matches!(figure.item, Item::Column(_) | Item::Table(_)) && !done;
        said && by.item == Item::Cue(Cue::By) && matches!(table.item, Item::Table(_))
    };
    let one = query.group.is_empty() && query.limit_by.is_empty() && query.order.is_empty();
    one && query.select.iter().all(Expr::is_aggregate) && parts.windows(3).any(by)
}

/// Whether something is said to be more or less than something, and nothing is compared.
fn leaves_out_comparison(tokens: &[Token], parts: &[Part], query: &Query) -> bool {
    let than = |p: &Part| {
        let said = p.end.checked_sub(1).and_then(|last| tokens.get(last)).is_some_and(|t| t.lower == "than");
        said && matches!(p.item, Item::Cue(Cue::Compare(..)))
    };
    let compared = |c: &Cond| match c {
        Cond::Compare(_, op, _) => !matches!(op, Op::Eq),
        Cond::Between(..) | Cond::During(..) | Cond::In(..) | Cond::Null(..) => true,
        Cond::Any(all) => all.iter().any(|c| !matches!(c, Cond::Compare(_, Op::Eq, _) | Cond::Like(..))),
        Cond::Like(..) => false,
    };
    fn count(query: &Query, compared: &dyn Fn(&Cond) -> bool) -> usize {
        let own = query.filter.iter().chain(&query.having).filter(|c| compared(c)).count();
        own + query.inner().into_iter().map(|inner| count(inner, compared)).sum::<usize>()
    }
    let said = parts.iter().filter(|p| than(p)).count();
    let any = |c: &Cond| if let Cond::Any(all) = c { all.len() } else { 1 };
    let alternatives: usize = query.filter.iter().chain(&query.having).map(|c| any(c) - 1).sum();
    said > 0 && said > count(query, &compared) + alternatives
}

/// Whether "how many" is asked and no number is shown.
fn leaves_out_number(index: &Index<'_>, tokens: &[Token], parts: &[Part], query: &Query) -> bool {
    let asked = parts.iter().any(|p| {
        let many = tokens.get(p.start).is_some_and(|t| t.lower == "how");
        many && p.item == Item::Cue(Cue::Count)
    });
    let number = |e: &Expr| match e {
        Expr::Column(c) => index.kind(*c).is_number() || index.is_numeric_text(*c),
        _ => true,
    };
    asked && !anywhere(query, &|q| q.select.iter().any(number)) && query.having.is_empty() && query.order.is_empty()
}

/// Whether the last word tells which of the things before it is meant, `the problems of product x`, and is not
/// understood.
fn leaves_out_last(tokens: &[Token], parts: &[Part]) -> bool {
    let mut said =
        parts.iter().rev().skip_while(|p| !tokens.get(p.start..p.end).is_some_and(|t| t.iter().any(Token::is_word)));
    let (Some(last), Some(thing)) = (said.next(), said.next()) else { return false };
    let before = |p: &Part| p.start.checked_sub(1).and_then(|at| tokens.get(at)).map_or("", |t| t.lower.as_str());
    let before = match before(thing) {
        "the" => thing.start.checked_sub(2).and_then(|at| tokens.get(at)).map_or("", |t| t.lower.as_str()),
        other => other,
    };
    let place = matches!(before, "for" | "of" | "in" | "on" | "at" | "by" | "from" | "with");
    let end = last.start == thing.end && last.end == last.start + 1;
    place && end && last.item == Item::Unknown && matches!(thing.item, Item::Table(_) | Item::Column(_))
}

/// Whether a word that says which rows of a table are meant, `how many urgent tickets`, is not understood.
fn leaves_out_kind(tokens: &[Token], parts: &[Part]) -> bool {
    let kind = |three: &[Part]| {
        let [before, word, table] = three else { return false };
        let begins =
            matches!(before.item, Item::Cue(Cue::Count | Cue::Ask | Cue::Which | Cue::Each | Cue::All | Cue::Of))
                || tokens.get(before.start).is_some_and(|t| matches!(t.lower.as_str(), "the" | "a" | "an"));
        let said = tokens.get(word.start).is_some_and(|t| t.shape == Shape::Word);
        begins && said && word.item == Item::Unknown && matches!(table.item, Item::Table(_))
    };
    parts.windows(3).any(kind)
        || matches!(parts, [word, table, ..] if word.item == Item::Unknown && matches!(table.item, Item::Table(_)))
}

/// Whether an attribute that is stored nowhere, `the phone number of Ann Lee`, is taken for a number of rows.
fn counts_by_attribute(tokens: &[Token], parts: &[Part]) -> bool {
    let small = |p: &Part| match tokens.get(p.start..p.end) {
        Some([token]) => token.shape == Shape::Word && (p.start == 0 || !token.is_capital()),
        _ => false,
    };
    let number = |p: &Part| {
        let said = tokens.get(p.start..p.end).unwrap_or_default().first().is_some_and(|t| t.lower == "number");
        said && p.item == Item::Cue(Cue::Count)
    };
    let attribute = |at: usize, two: &[Part]| {
        let [word, count] = two else { return false };
        let of_value = || parts.get(at + 2).is_some_and(|p| matches!(p.item, Item::Value(..) | Item::Text(..)));
        let named = matches!(word.item, Item::Value(..)) || word.item == Item::Unknown && of_value();
        word.end == count.start && small(word) && number(count) && named
    };
    parts.windows(2).enumerate().any(|(at, two)| attribute(at, two))
}

/// Whether it is asked who, and the answer is a figure of all.
fn leaves_out_who(tokens: &[Token], query: &Query) -> bool {
    let who = tokens.first().is_some_and(|t| t.lower == "who");
    who && query.group.is_empty() && !query.select.is_empty() && query.select.iter().all(Expr::is_aggregate)
}

/// Whether the query has what `never` and `with only` ask for.
#[must_use]
pub fn leaves_out_never_or_only(tokens: &[Token], query: &Query) -> bool {
    let never = tokens.iter().any(|t| t.shape == Shape::Word && t.lower == "never");
    let only = tokens.windows(3).any(|three| {
        let [before, only, after] = three else { return false };
        let number = matches!(after.shape, Shape::Number(_)) || number_word(&after.lower).is_some();
        let has = matches!(
            before.lower.as_str(),
            "with" | "has" | "have" | "had" | "having" | "used" | "uses" | "use" | "using" | "made" | "sent" | "got"
        );
        only.lower == "only" && has && !number && !matches!(after.lower.as_str(), "a" | "an" | "the" | "single")
    });
    (never || only) && !anywhere(query, &|q| q.filter.iter().any(|c| matches!(c, Cond::In(_, _, false))))
}

/// Whether a query has what a cue asks for.
fn holds(index: &Index<'_>, cue: Cue, phrase: &[Token], query: &Query) -> bool {
    let said = phrase.iter().map(|t| t.lower.as_str()).collect::<Vec<_>>().join(" ");
    let shown = |fits: &dyn Fn(&Expr) -> bool| {
        let own = |e: &Expr| matches!(e, Expr::Metric(..)) || fits(e);
        anywhere(query, &|q| q.select.iter().chain(q.order.iter().map(|(e, _)| e)).any(own))
    };
    let grouped = || anywhere(query, &|q| !q.group.is_empty() || !q.limit_by.is_empty());
    match cue {
        Cue::Each
            if matches!(
                said.as_str(),
                "per" | "by each" | "by every" | "grouped by" | "group by" | "broken down by" | "split by"
            ) =>
        {
            grouped()
        }
        // "the oldest of each team" is more than one.
        Cue::Each if query.limit == Some(1) && query.select.iter().all(|e| !e.is_aggregate()) => grouped(),
        // Nothing is slow or large by its key or its name, and nothing slow or warm by how many there are.
        Cue::Superlative(_, Some(quality)) => match query.order.first().filter(|_| query.limit.is_some()) {
            Some((Expr::Column(c), _)) => {
                let measured =
                    index.kind(*c) != Kind::Text || quality.measured_by(&index.column(*c).words.stems).is_some();
                measured && !index.column(*c).key
            }
            Some((Expr::Count, _)) => quality.is_size(),
            _ => true,
        },
        // "top customer": of an order that is not known.
        Cue::Top(_) | Cue::Superlative(..) | Cue::Frequent(_) => {
            let extreme = |e: &Expr| matches!(e, Expr::Agg(Agg::Min | Agg::Max, _) | Expr::Metric(..));
            let having = |c: &Cond| matches!(c, Cond::Compare(..) | Cond::Between(..));
            anywhere(query, &|q| {
                !q.order.is_empty() || q.limit.is_some() || q.select.iter().any(extreme) || q.having.iter().any(having)
            })
        }
        Cue::Per(_) | Cue::PerPart(_) => grouped() || !query.order.is_empty(),
        Cue::Share => shown(&|e| matches!(e, Expr::ShareOf(_) | Expr::ShareIf(..))),
        Cue::Running => shown(&|e| matches!(e, Expr::Running(_))),
        Cue::Agg(agg @ (Agg::Avg | Agg::Median | Agg::Quantile(_) | Agg::Deviation)) => {
            let figure = |e: &Expr| figures(e, agg);
            let having = |c: &Cond| matches!(c, Cond::Compare(left, ..) | Cond::Between(left, ..) if figure(left));
            shown(&figure) || anywhere(query, &|q| q.having.iter().any(having))
        }
        _ => true,
    }
}

fn figures(expr: &Expr, agg: Agg) -> bool {
    match expr {
        Expr::Agg(own, _) => *own == agg,
        Expr::ShareOf(inner)
        | Expr::ShareIf(inner, _)
        | Expr::Moving(inner, _)
        | Expr::Running(inner)
        | Expr::Change(inner)
        | Expr::ChangePercent(inner) => figures(inner, agg),
        _ => false,
    }
}

/// Whether a query or one inside it is so.
fn anywhere(query: &Query, is: &dyn Fn(&Query) -> bool) -> bool {
    is(query) || query.inner().into_iter().any(|inner| anywhere(inner, is))
}

use jiff::civil::{DateTime, Weekday, datetime};
use proptest::prelude::*;

use super::{Clock, Unit, bucket, change, find};

/// A Tuesday.
fn clock() -> Clock {
    Clock { now: datetime(2026, 11, 24, 10, 15, 0, 0), week_starts_on: Weekday::Monday }
}

fn ranges(question: &str) -> Vec<String> {
    let end =
        |at: DateTime, open: DateTime| if at == open { String::new() } else { at.to_string().replace(":00:00", "h") };
    let line = |span: super::Span| {
        let phrase = question.get(span.start..span.end).unwrap_or("?");
        format!("{phrase}|{}..{}", end(span.from, DateTime::MIN), end(span.to, DateTime::MAX)).replace("T00h", "")
    };
    find(question, &clock()).into_iter().map(line).collect()
}

fn one(question: &str, expected: &str) {
    assert_eq!(ranges(question), [expected], "{question}");
}

fn none(question: &str) {
    assert_eq!(ranges(question), Vec::<String>::new(), "{question}");
}

#[test]
fn units_of_the_calendar_are_whole_and_half_open() {
    one("slowest queries last week", "last week|2026-11-16..2026-11-23");
    one("slowest queries this week", "this week|2026-11-23..2026-11-30");
    one("logins last month", "last month|2026-10-01..2026-11-01");
    one("revenue of the previous quarter", "the previous quarter|2026-07-01..2026-10-01");
    one("orders next year", "next year|2027-01-01..2028-01-01");
    one("errors yesterday", "yesterday|2026-11-23..2026-11-24");
    one("errors the day before yesterday", "the day before yesterday|2026-11-22..2026-11-23");
    one("traffic of the week before last", "the week before last|2026-11-09..2026-11-16");
    one("cost this calendar year", "this calendar year|2026-01-01..2027-01-01");
}

#[test]
fn weeks_begin_when_the_operator_says() {
    let sunday = Clock { week_starts_on: Weekday::Sunday, ..clock() };
    let span = find("hits last week", &sunday).pop().unwrap();
    assert_eq!((span.from, span.to), (datetime(2026, 11, 15, 0, 0, 0, 0), datetime(2026, 11, 22, 0, 0, 0, 0)));
    assert_eq!(span.precision, Unit::Week);
}

#[test]
fn counted_days_end_before_today_and_counted_hours_end_now() {
    one("errors in the last 7 days", "the last 7 days|2026-11-17..2026-11-24");
    one("errors over the past 7 days", "the past 7 days|2026-11-17..2026-11-24");
    one("requests in the past two hours", "the past two hours|2026-11-24T08:15:00..2026-11-24T10:15:00");
    one("requests in the last hour", "the last hour|2026-11-24T09:15:00..2026-11-24T10:15:00");
    one("requests in the last 30 mins", "the last 30 mins|2026-11-24T09:45:00..2026-11-24T10:15:00");
    one("sales of the last 3 full months", "the last 3 full months|2026-08-01..2026-11-01");
    one("sales of the last three quarters", "the last three quarters|2026-01-01..2026-10-01");
    one("jobs of the previous 2 business days", "the previous 2 business days|2026-11-20..2026-11-24");
}

#[test]
fn written_dates_are_read_in_the_usual_forms() {
    for form in [
        "2026-03-05",
        "March 5, 2026",
        "5 March 2026",
        "5th of March 2026",
        "3/5/2026",
        "05.03.2026",
        "5/Mar/2026",
        "mar 5",
    ] {
        let text = format!("requests on {form}");
        one(&text, &format!("{form}|2026-03-05..2026-03-06"));
    }
    one("orders in Q3 2024", "Q3 2024|2024-07-01..2024-10-01");
    one("orders of the third quarter of 2024", "the third quarter of 2024|2024-07-01..2024-10-01");
    one("orders in the first half of last year", "first half of last year|2025-01-01..2025-07-01");
    one("films of the 1990s", "the 1990s|1990-01-01..2000-01-01");
    one("bookings in the first week of May 2026", "the first week of May 2026|2026-05-04..2026-05-11");
    one("bookings in week 12 of 2026", "week 12 of 2026|2026-03-16..2026-03-23");
    one("what changed in December", "December|2025-12-01..2026-01-01");
}

#[test]
fn a_named_end_belongs_to_the_range() {
    one("users created between March and May", "between March and May|2026-03-01..2026-06-01");
    one("users from 1 March to 10 March 2025", "from 1 March to 10 March 2025|2025-03-01..2025-03-11");
    one("growth from 2014 to 2018", "from 2014 to 2018|2014-01-01..2019-01-01");
    one("growth from November to February", "from November to February|2026-11-01..2027-03-01");
    one("hits from 9 to 5pm yesterday", "from 9 to 5pm yesterday|2026-11-23T09h..2026-11-23T17h");
    one("hits yesterday between 9am and 11:30", "yesterday between 9am and 11:30|2026-11-23T09h..2026-11-23T11:30:00");
    one(
        "since when? from 22:00 to 02:00 on 2026-11-20",
        "from 22:00 to 02:00 on 2026-11-20|2026-11-20T22h..2026-11-21T02h",
    );
}

#[test]
fn one_end_may_be_open() {
    one("errors since Monday", "since Monday|2026-11-23..");
    one("errors since Friday", "since Friday|2026-11-20..");
    one("hired after 2010", "after 2010|2011-01-01..");
    one("hired before 2010", "before 2010|..2010-01-01");
    one("seen until 3 May 2026", "until 3 May 2026|..2026-05-04");
    one("rows older than 30 days", "older than 30 days|..2026-10-25");
    one("sessions started more than 2 hours ago", "more than 2 hours ago|..2026-11-24T08:15:00");
    one("hits yesterday after 5pm", "yesterday after 5pm|2026-11-23T17h..2026-11-24");
}

#[test]
fn parts_of_the_day_join_their_day() {
    one("errors yesterday evening", "yesterday evening|2026-11-23T16h..2026-11-23T20h");
    one("errors this morning", "this morning|2026-11-24T08h..2026-11-24T12h");
    one("errors last night", "last night|2026-11-23T20h..2026-11-24");
    one("errors on Friday afternoon", "Friday afternoon|2026-11-20T12h..2026-11-20T16h");
    one("errors on 2026-11-20 at 5pm", "2026-11-20 at 5pm|2026-11-20T17h..2026-11-20T18h");
}

#[test]
fn hours_without_a_day_say_so() {
    let span = find("requests between 2am and 4am", &clock()).pop().unwrap();
    assert!(span.daily);
    assert_eq!((span.from.hour(), span.to.hour()), (2, 4));
}

#[test]
fn other_numbers_and_words_are_no_dates() {
    for question in [
        "may I see the 5 slowest",
        "ids above 2015",
        "the second most expensive order",
        "the last 10 requests",
        "sat scores",
        "backup_2015 size",
        "hits from 10.0.0.1",
        "top 5 customers",
        "students of the first class",
        "march with us",
        "",
        "price over 100",
        "version 1.2.3",
        "orders from 5 customers",
        "path /2024/03/05/report",
    ] {
        none(question);
    }
    let span = find("parts numbered between 1990 and 2000", &clock()).pop().unwrap();
    assert!(!span.certain, "two bare numbers may be anything");
}

#[test]
fn series_and_comparisons_are_found() {
    let unit = |question| bucket(question, &clock()).map(|b| (b.count, b.unit, b.cyclic));
    assert_eq!(unit("requests per hour"), Some((1, Unit::Hour, false)));
    assert_eq!(unit("requests per 15 minutes"), Some((15, Unit::Minute, false)));
    assert_eq!(unit("daily revenue"), Some((1, Unit::Day, false)));
    assert_eq!(unit("requests by hour of day"), Some((1, Unit::Hour, true)));
    assert_eq!(unit("sales by region"), None);
    let two = change("traffic week over week", &clock()).unwrap();
    assert_eq!(two.previous, (datetime(2026, 11, 16, 0, 0, 0, 0), datetime(2026, 11, 23, 0, 0, 0, 0)));
    assert_eq!(two.current.0, two.previous.1);
    let named = change("errors today vs yesterday", &clock()).unwrap();
    assert_eq!(named.previous.0, datetime(2026, 11, 23, 0, 0, 0, 0));
    assert_eq!(change("errors over the last 7 days", &clock()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_a_question_says_can_break_the_grammar(question in "\\PC{0,80}") {
        check(&question)?;
    }

    #[test]
    fn words_of_time_in_any_order_are_read(words in proptest::collection::vec(0_usize..VOCABULARY.len(), 0..14), glue in any::<u16>()) {
        let mut question = String::new();
        for (at, word) in words.iter().enumerate() {
            question.push_str(VOCABULARY[*word]);
            if glue >> at & 1 == 0 { question.push(' ') }
        }
        check(&question)?;
    }
}

const VOCABULARY: [&str; 62] = [
    "last",
    "next",
    "this",
    "the",
    "of",
    "in",
    "from",
    "to",
    "between",
    "and",
    "since",
    "before",
    "after",
    "7",
    "2024",
    "9999",
    "31",
    "0",
    "4294967295",
    "99999999999",
    "days",
    "week",
    "month",
    "quarter",
    "year",
    "hours",
    "decade",
    "century",
    "ago",
    "Monday",
    "sun",
    "May",
    "february",
    "29th",
    "first",
    "twenty",
    "six",
    "thousand",
    "two",
    "-",
    "/",
    ":",
    ".",
    ",",
    "am",
    "pm",
    "30",
    "morning",
    "night",
    "end",
    "beginning",
    "mid",
    "so",
    "far",
    "date",
    "q3",
    "for",
    "starting",
    "business",
    "before last",
    "older than",
    "\u{e9}",
];

fn check(question: &str) -> Result<(), TestCaseError> {
    for now in [clock().now, DateTime::MIN, DateTime::MAX] {
        for week_starts_on in [Weekday::Monday, Weekday::Sunday] {
            let clock = Clock { now, week_starts_on };
            let mut end = 0;
            for span in find(question, &clock) {
                prop_assert!(span.start >= end && span.start < span.end, "spans follow each other");
                prop_assert!(question.get(span.start..span.end).is_some(), "spans lie on characters");
                prop_assert!(span.from <= span.to, "time goes forward: {question:?} {span:?}");
                end = span.end;
            }
            let _ = bucket(question, &clock);
            let _ = change(question, &clock);
        }
    }
    Ok(())
}

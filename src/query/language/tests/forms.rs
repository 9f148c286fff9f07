//! Forms of questions over a campus: figures that are stored, yes and no, references through keys.

use super::{ask_with, column, first_sql, table};
use crate::query::language::{Glossary, Outcome};
use crate::query::schema::{ForeignKey, Kind, Schema};

/// Campuses with the degrees they grant, stations with what was free and the weather there, people who register for
/// courses and attend what they are registered for.
fn campus() -> Schema {
    let campuses = vec![column("campus_id", Kind::Integer, &[]), column("name", Kind::Text, &["North", "South"])];
    let degrees = vec![
        column("row_id", Kind::Integer, &[]),
        column("campus_id", Kind::Integer, &[]),
        column("year", Kind::Integer, &[]),
        column("degrees", Kind::Integer, &[]),
    ];
    let stations = vec![
        column("station_id", Kind::Integer, &[]),
        column("title", Kind::Text, &["Gate", "Two"]),
        column("active", Kind::Text, &["no", "yes"]),
        column("length", Kind::Integer, &[]),
        column("height", Kind::Integer, &[]),
    ];
    let snapshots = vec![
        column("snapshot_id", Kind::Integer, &[]),
        column("station_id", Kind::Integer, &[]),
        column("bikes_available", Kind::Integer, &[]),
    ];
    let weather = vec![
        column("day_id", Kind::Integer, &[]),
        column("max_temperature", Kind::Float, &[]),
        column("mean_temperature", Kind::Float, &[]),
        column("humidity", Kind::Float, &[]),
    ];
    let people = vec![
        column("person_id", Kind::Integer, &[]),
        column("first_name", Kind::Text, &["Olga", "Piet"]),
        column("last_name", Kind::Text, &["Maas", "Roth"]),
    ];
    let courses = vec![column("course_id", Kind::Integer, &[]), column("course_name", Kind::Text, &["Botany", "Law"])];
    let registrations = vec![column("person_id", Kind::Integer, &[]), column("course_id", Kind::Integer, &[])];
    let attendances = registrations.clone();
    let key = |table: &str, column: &str, to: &str| ForeignKey {
        table: table.to_owned(),
        columns: vec![column.to_owned()],
        to_table: to.to_owned(),
        to_columns: vec![column.to_owned()],
        declared: true,
    };
    let mut both = [table("registrations", registrations), table("attendances", attendances)];
    for own in &mut both {
        own.primary_key = vec!["person_id".to_owned(), "course_id".to_owned()];
        own.columns.iter_mut().for_each(|c| c.distinct = Some(40));
    }
    let [registrations, attendances] = both;
    Schema {
        tables: vec![
            table("campuses", campuses),
            table("degrees", degrees),
            table("stations", stations),
            table("snapshots", snapshots),
            table("weather", weather),
            table("people", people),
            table("courses", courses),
            registrations,
            attendances,
        ],
        keys: vec![
            key("degrees", "campus_id", "campuses"),
            key("snapshots", "station_id", "stations"),
            key("registrations", "person_id", "people"),
            key("registrations", "course_id", "courses"),
            key("attendances", "person_id", "registrations"),
            key("attendances", "course_id", "registrations"),
        ],
    }
}

fn sql(question: &str) -> String {
    first_sql(ask_with(&campus(), &Glossary::default(), question))
}

#[test]
fn a_figure_that_is_stored_is_not_made_again() {
    for (question, expected) in [
        ("What is the average temperature?", "SELECT mean_temperature FROM weather"),
        ("What is the average humidity?", "SELECT avg(humidity) FROM weather"),
        ("How many degrees were granted in 2003?", "SELECT sum(degrees) FROM degrees WHERE \"year\" = 2003"),
        (
            "Which campus has the most degrees?",
            "SELECT campuses.name FROM campuses JOIN degrees ON degrees.campus_id = campuses.campus_id \
             GROUP BY campuses.campus_id, campuses.name ORDER BY sum(degrees.degrees) DESC NULLS LAST, \
             campuses.campus_id DESC NULLS LAST LIMIT 1",
        ),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

#[test]
fn what_is_so_or_not_is_a_condition() {
    for (question, expected) in [
        ("How many stations are active?", "SELECT count(*) FROM stations WHERE active = 'yes'"),
        ("How many stations are not active?", "SELECT count(*) FROM stations WHERE active = 'no'"),
        ("Show all inactive stations.", "SELECT title FROM stations WHERE active = 'no'"),
        ("How many active stations are there?", "SELECT count(*) FROM stations WHERE active = 'yes'"),
        (
            "Which stations never had more than 10 bikes available?",
            "SELECT title FROM stations WHERE station_id NOT IN \
             (SELECT station_id FROM snapshots WHERE bikes_available > 10)",
        ),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

#[test]
fn numbers_and_orders() {
    for (question, expected) in [
        (
            "Which stations have two or more snapshots?",
            "SELECT stations.title FROM stations JOIN snapshots ON snapshots.station_id = stations.station_id \
             GROUP BY stations.station_id, stations.title HAVING count(*) >= 2",
        ),
        (
            "What are the titles of the 3 stations with the greatest length?",
            "SELECT title FROM stations ORDER BY length DESC NULLS LAST, station_id LIMIT 3",
        ),
        (
            "Show the active flag and the number of stations in descending order.",
            "SELECT active, count(*) FROM stations GROUP BY active ORDER BY count(*) DESC NULLS LAST",
        ),
        ("List each person's last name.", "SELECT last_name FROM people"),
        (
            "What are the titles of stations whose title starts with the word 'Ga'?",
            "SELECT title FROM stations WHERE title ILIKE 'Ga%'",
        ),
    ] {
        assert_eq!(sql(question), expected, "{question}");
    }
}

#[test]
fn a_mean_over_what_has_several_rows_takes_each_once() {
    assert_eq!(
        sql("What is the average length of stations that have snapshots?"),
        "SELECT avg(length) FROM stations WHERE station_id IN (SELECT stations.station_id FROM stations \
         JOIN snapshots ON snapshots.station_id = stations.station_id)"
    );
}

#[test]
fn a_key_that_is_part_of_another_leads_on_at_once() {
    assert_eq!(
        sql("How many attendances has the course named 'Law'?"),
        "SELECT count(*) FROM attendances JOIN courses ON attendances.course_id = courses.course_id \
         WHERE courses.course_name = 'Law'"
    );
    assert_eq!(
        sql("How many attendances does \"Olga Maas\" have?"),
        "SELECT count(*) FROM attendances JOIN people ON attendances.person_id = people.person_id \
         WHERE people.first_name = 'Olga' AND people.last_name = 'Maas'"
    );
}

#[test]
fn what_tells_rows_apart_and_is_not_understood_is_not_left_out() {
    for question in [
        "How many snapshots are there for station quux?",
        "What are the titles of stations that have a lower quorx than the station Gate?",
        "What is the average number of bikes available by station?",
        "Top station",
        "Passport number of Olga Maas",
    ] {
        let outcome = ask_with(&campus(), &Glossary::default(), question).outcome;
        assert!(!matches!(outcome, Outcome::Answer(_)), "{question}: {outcome:?}");
    }
}

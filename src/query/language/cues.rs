//! Words and phrases that shape a question: aggregates, comparisons, order, groups, negation.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::logic::{Agg, Bucket, Op, Part, Place};

/// What a phrase does to the question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cue {
    /// Begins what is asked for: show, list, what, give me.
    Ask,
    /// `which`, which asks at the beginning and relates elsewhere.
    Which,
    /// Asks for a person.
    Who,
    /// Asks for a time.
    When,
    /// Asks for a place.
    Where,
    /// Asks for a number of things.
    Count,
    /// Asks for an amount that is not counted.
    HowMuch(Option<Quality>),
    /// An aggregate.
    Agg(Agg),
    /// Each value once.
    Distinct,
    /// The most or least of something; the adjective says of what.
    Superlative(bool, Option<Quality>),
    /// The most or least frequent.
    Frequent(bool),
    /// `top`, `first`: the best so many.
    Top(bool),
    /// A comparison; the adjective says of what.
    Compare(Op, Option<Quality>),
    /// A comparison behind its number: `or more`.
    Behind(Op),
    /// Between two values.
    Between,
    /// Begins a group.
    Each,
    /// By a piece of the calendar.
    Per(Bucket),
    /// By a part of the calendar that repeats.
    PerPart(Part),
    /// Begins an order.
    Order,
    /// Upward.
    Ascending,
    /// Downward.
    Descending,
    /// By the letters of the name.
    Alphabetical,
    /// Not.
    Not,
    /// Having none of.
    Without,
    /// But not, except.
    But,
    /// Begins a pair that has to hold together.
    Both,
    /// Or.
    Or,
    /// And, or a comma.
    And,
    /// Who, that.
    Relative,
    /// Whose.
    Whose,
    /// With, having.
    With,
    /// Of: owner of what precedes.
    Of,
    /// In, at, from, on, for.
    In,
    /// By.
    By,
    /// Has, have, had.
    Have,
    /// Is, are, was.
    Be,
    /// Do, does, did.
    Do,
    /// Named, called.
    Named,
    /// So many years old.
    Aged,
    /// Contains a text.
    Contains(Place),
    /// Their, its, them.
    Pronoun,
    /// Any, all, every thing that is there.
    All,
    /// The share of something.
    Share,
    /// Added up as it goes.
    Running,
    /// Against the time before; in percent where the flag is set.
    Change(bool),
    /// So many times.
    Times,
    /// Every column.
    Everything,
    /// Ends a sentence.
    Stop,
    /// Says nothing by itself.
    Idle,
}

impl std::fmt::Display for Cue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ask | Self::Which | Self::Who | Self::HowMuch(_) => "asks",
            Self::When => "asks for a time",
            Self::Where => "asks for a place",
            Self::Count => "number of",
            Self::Agg(_) => "aggregate",
            Self::Distinct => "each once",
            Self::Superlative(true, _) | Self::Frequent(true) | Self::Top(true) => "most",
            Self::Superlative(false, _) | Self::Frequent(false) | Self::Top(false) => "least",
            Self::Compare(op, _) | Self::Behind(op) => op.sql(),
            Self::Between => "between",
            Self::Each | Self::Per(_) | Self::PerPart(_) => "for each",
            Self::Order | Self::Alphabetical | Self::Ascending => "ordered upward",
            Self::Descending => "ordered downward",
            Self::Not | Self::Without | Self::But => "not",
            Self::Both => "both",
            Self::Or => "or",
            Self::And => "and",
            Self::Relative | Self::Whose | Self::With => "begins a condition",
            Self::Named => "is called",
            Self::Aged => "age",
            Self::Contains(_) => "contains",
            Self::Times => "times",
            Self::Everything => "every column",
            Self::Share => "share of",
            Self::Running => "running total",
            Self::Change(_) => "change",
            Self::All
            | Self::Idle
            | Self::Of
            | Self::In
            | Self::By
            | Self::Have
            | Self::Be
            | Self::Do
            | Self::Pronoun
            | Self::Stop => "",
        })
    }
}

/// A quality that an adjective speaks of, and the columns that measure it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Its place in the table of qualities.
    at: usize,
    /// The adjective names the small end: young, short, cheap.
    pub low: bool,
}

/// A quality: its adjectives for much and for little, columns that grow with it, columns that shrink with it.
struct Entry {
    high: &'static [&'static str],
    low: &'static [&'static str],
    grows: &'static [&'static str],
    shrinks: &'static [&'static str],
}

/// Adjectives are stems of the base form; comparatives and superlatives are made of it.
const QUALITIES: &[Entry] = &[
    Entry {
        high: &["old"],
        low: &["young"],
        grows: &["age"],
        shrinks: &["birth", "birthday", "found", "year", "built", "establish", "open", "date"],
    },
    Entry {
        high: &["new", "late", "recent"],
        low: &["early"],
        grows: &["date", "time", "timestamp", "year", "day", "month", "created", "at", "birth"],
        shrinks: &[],
    },
    Entry {
        high: &["long"],
        low: &["short", "brief"],
        grows: &[
            "length",
            "duration",
            "distance",
            "runtime",
            "minute",
            "hour",
            "time",
            "height",
            "latency",
            "elapsed",
            "ms",
            "second",
            "millisecond",
        ],
        shrinks: &[],
    },
    Entry { high: &["tall", "high"], low: &["low"], grows: &["height", "elevation", "altitude"], shrinks: &[] },
    Entry { high: &["heavy"], low: &["light"], grows: &["weight", "mass"], shrinks: &[] },
    Entry {
        high: &["fast", "quick"],
        low: &["slow"],
        grows: &["speed", "velocity"],
        shrinks: &["duration", "latency", "time", "elapsed", "ms", "second", "millisecond"],
    },
    Entry {
        high: &["expensive", "costly", "pricey"],
        low: &["cheap", "inexpensive"],
        grows: &["price", "cost", "fee", "amount", "charge", "rate", "rent", "total"],
        shrinks: &[],
    },
    Entry {
        high: &["large", "big", "great"],
        low: &["small", "little", "tiny"],
        grows: &[
            "size",
            "area",
            "population",
            "capacity",
            "byte",
            "amount",
            "square",
            "enrollment",
            "footage",
            "acreage",
            "quantity",
        ],
        shrinks: &[],
    },
    Entry {
        high: &["rich", "wealthy"],
        low: &["poor"],
        grows: &["salary", "income", "wealth", "money", "worth", "asset", "gdp", "balance"],
        shrinks: &[],
    },
    Entry {
        high: &["good"],
        low: &["bad"],
        grows: &["rating", "score", "grade", "point", "mark"],
        shrinks: &["rank", "ranking", "position"],
    },
    Entry { high: &["populous", "crowded"], low: &["sparse"], grows: &["population"], shrinks: &[] },
    Entry { high: &["hot", "warm"], low: &["cold", "cool"], grows: &["temperature"], shrinks: &[] },
    Entry { high: &["deep"], low: &["shallow"], grows: &["depth"], shrinks: &[] },
    Entry { high: &["wide", "broad"], low: &["narrow"], grows: &["width"], shrinks: &[] },
    Entry {
        high: &["strong", "powerful"],
        low: &["weak"],
        grows: &["power", "strength", "horsepower", "magnitude"],
        shrinks: &[],
    },
    Entry { high: &["far"], low: &["close", "near"], grows: &["distance"], shrinks: &[] },
];

impl Quality {
    fn names(self, adjective: &str) -> bool {
        QUALITIES.get(self.at).is_some_and(|entry| entry.high.contains(&adjective))
    }

    /// Whether it is how old something is.
    #[must_use]
    pub fn is_age(self) -> bool {
        self.names("old")
    }

    /// Whether it is when something was.
    #[must_use]
    pub fn is_recency(self) -> bool {
        self.names("new")
    }

    /// Whether it is how fast something is.
    #[must_use]
    pub fn is_speed(self) -> bool {
        self.names("fast")
    }

    /// Whether it is how large something is, or how much there is of it.
    #[must_use]
    pub fn is_size(self) -> bool {
        self.names("large") || self.names("populous")
    }

    /// Whether it is how long something is, or lasts.
    #[must_use]
    pub fn is_length(self) -> bool {
        self.names("long")
    }

    /// How well a column with these stems measures it: the rank of the best stem (0 the best) and whether the column
    /// grows with the quality.
    #[must_use]
    pub fn measured_by(self, stems: &[String]) -> Option<(usize, bool)> {
        let entry = QUALITIES.get(self.at)?;
        let rank = |words: &[&str]| words.iter().position(|w| stems.contains(&super::words::stem(w)));
        let grows = rank(entry.grows).map(|rank| (rank, true));
        grows.or_else(|| rank(entry.shrinks).map(|rank| (rank + entry.grows.len(), false)))
    }
}

/// The quality of an adjective's base form.
#[must_use]
pub fn quality(adjective: &str) -> Option<Quality> {
    let low = |entry: &Entry| entry.low.contains(&adjective);
    let at = QUALITIES.iter().position(|entry| entry.high.contains(&adjective) || low(entry))?;
    Some(Quality { at, low: QUALITIES.get(at).is_some_and(low) })
}

/// Phrases in small letters and what they do; the longest wins.
static PHRASES: LazyLock<HashMap<String, Cue>> = LazyLock::new(|| {
    let mut phrases = HashMap::new();
    let mut add = |cue: Cue, list: &str| {
        for phrase in list.split('|') {
            phrases.insert(phrase.trim().to_owned(), cue);
        }
    };
    ask(&mut add);
    figures(&mut add);
    comparisons(&mut add);
    structure(&mut add);
    qualities(&mut add);
    phrases
});

fn ask(add: &mut dyn FnMut(Cue, &str)) {
    add(
        Cue::Ask,
        "show|show me|list|list out|find|find out|give|give me|return|tell me|display|what|what is|what are|what's|get|select|retrieve|please show|please list|please give me|report|provide|name|what was|what were|can you tell me|could you tell me|i want to know|i want|compute|calculate|fetch|print|state|identify|search for|look up|what kind of|what kinds of|what sort of|determine|tell",
    );
    add(Cue::Which, "which|which of");
    add(Cue::Who, "who are|who is|whom");
    add(Cue::When, "when");
    add(Cue::Where, "where");
    add(
        Cue::Count,
        "how many|counts|number and|the number and|number of|the number of|count|count of|count the number of|total number of|the total number of|total count of|how many times|amount of times|numbers of|how many different kinds of|amount of|what number of|tally|number of times|how often|quantity of",
    );
    add(Cue::HowMuch(None), "how much");
    for adjective in
        ["old", "long", "high", "tall", "large", "big", "heavy", "fast", "expensive", "deep", "wide", "far"]
    {
        add(Cue::HowMuch(quality(adjective)), &format!("how {adjective}"));
    }
    add(Cue::Distinct, "different|distinct|unique|various");
    add(
        Cue::Idle,
        "the|a|an|there|exist|exists|please|also|me|us|i|you|we|s|as|be|been|being|among|along|together|well|then|do we have|existing|available|recorded|record|records|listed|given|following|possible|current|currently|corresponding|respective|respectively|associated|related|belonging|belong|belongs|registered|stored|database|certain|particular|specific|actual|actually|respect|terms|so|such|same|just|only|the one|the ones|information|about|over all|across all|entire|made|get|got|goes|come|comes|to|into|out|up|can|could|would|will|should|may|has been|have been|had been|this|these|those|some|at all|in total|our|my|data|dataset|table|value|values|entries|kind|kinds|kind of|kinds of|sort of|sorts of|their own|own|owned|used|using|use|uses|held|hold|holds|one|ones|while|when they|itself|themselves|during|within|though|yet|already|including|include|includes|equal|equals|equal to|it is|there is|there are|is there|are there|were there|was there|that is|that are|take|takes|took|taken|take place|located|based",
    );
}

fn figures(add: &mut dyn FnMut(Cue, &str)) {
    add(Cue::Agg(Agg::Avg), "average|mean|avg|averaged|on average|average of|the average|typical");
    add(
        Cue::Agg(Agg::Sum),
        "sum|sum of|total|total of|the total|combined|overall|in total|total amount of|the total amount of|altogether",
    );
    add(Cue::Agg(Agg::Min), "minimum|min|the minimum");
    add(Cue::Agg(Agg::Max), "maximum|max|the maximum");
    add(Cue::Agg(Agg::Median), "median|the median");
    add(Cue::Agg(Agg::Deviation), "standard deviation|stddev|standard deviation of");
    for (percent, names) in [
        (0.5, "p50|50th percentile"),
        (0.75, "p75|75th percentile"),
        (0.9, "p90|90th percentile"),
        (0.95, "p95|95th percentile|95 percentile"),
        (0.99, "p99|99th percentile|99 percentile"),
        (0.999, "p999|p99.9|99.9th percentile"),
    ] {
        add(Cue::Agg(Agg::Quantile(percent)), names);
    }
    add(
        Cue::Share,
        "share of|percentage of|percent of|proportion of|fraction of|what percentage of|what share of|what percent of|what proportion of|what fraction of|ratio of|% of|share|percentage of the total|percentage",
    );
    add(
        Cue::Running,
        "running total of|running total|cumulative|cumulative sum of|cumulative total of|running sum of|running count of|cumulative number of|running",
    );
    add(
        Cue::Change(false),
        "change|change in|difference from the previous|week over week|month over month|day over day|year over year|compared to the previous|compared with the previous|change against the previous",
    );
    add(
        Cue::Change(true),
        "growth|growth rate|growth of|percentage change|percent change|percentage change in|growth in",
    );
    add(
        Cue::Frequent(true),
        "most common|most popular|most frequent|most frequently|most commonly|most often|most commonly used|most frequently used|most widely used|most used|most times|the most times|greatest number of times|the greatest number of times|largest number of times|highest number of times|most number of times|maximum number of times|most famous|commonest|most busy|busiest|noisiest|chattiest|most active|the most common",
    );
    add(
        Cue::Frequent(false),
        "least common|least popular|least frequent|least used|least frequently|rarest|least often|least active|quietest|fewest times|the fewest times|least times|least number of times|fewest number of times|smallest number of times",
    );
    add(Cue::Top(true), "top|the top|first|the first");
    add(Cue::Top(false), "bottom|last|the bottom");
    add(
        Cue::Superlative(true, None),
        "most|the most|highest|maximal|greatest number of|largest number of|the highest|biggest number of|highest number of|the largest number of|the highest number of|the greatest number of|maximum number of|most number of|the most number of|largest amount of|largest|the largest|the greatest|greatest|biggest|the biggest|greatest amount of|the maximum number of|best|the best|the most total|peak",
    );
    add(
        Cue::Superlative(false, None),
        "least|the least|lowest|minimal|fewest|smallest number of|lowest number of|the fewest|the smallest number of|least number of|fewest number of|the lowest|minimum number of|smallest amount of|the least number of|smallest|the smallest|the minimum number of|worst",
    );
}

fn comparisons(add: &mut dyn FnMut(Cue, &str)) {
    add(
        Cue::Compare(Op::Gt, None),
        "more than|greater than|larger than|higher than|bigger than|over|above|exceeding|exceeds|exceed|exceeded|in excess of|beyond|is over|were over|better than|>|more|larger|greater|higher|taller than|no fewer than|after|later than|farther than|surpassing",
    );
    add(
        Cue::Compare(Op::Ge, None),
        "at least|no less than|not less than|a minimum of|minimum of|greater than or equal to|more than or equal to|higher than or equal to|> =|no fewer than|not fewer than|as of|starting from|since|equal to or more than|equal to or greater than|larger than or equal to",
    );
    add(
        Cue::Compare(Op::Lt, None),
        "less than|fewer than|smaller than|lower than|under|below|<|less|fewer|lower|smaller|before|prior to|earlier than|shorter than",
    );
    add(
        Cue::Compare(Op::Le, None),
        "at most|no more than|not more than|up to|a maximum of|less than or equal to|smaller than or equal to|< =|no greater than|no higher than|lower than or equal to|not exceeding|fewer than or equal to|equal to or less than",
    );
    add(Cue::Compare(Op::Eq, None), "exactly|=|precisely");
    add(
        Cue::Compare(Op::Ne, None),
        "not equal to|other than|different from|differs from|! =|< >|not the same as|besides",
    );
    add(
        Cue::Behind(Op::Ge),
        "or more|or above|or higher|or greater|or over|or later|or longer|and above|and over|or older|or larger|and more|and higher",
    );
    add(
        Cue::Behind(Op::Le),
        "or less|or fewer|or below|or lower|or under|or earlier|or shorter|and below|and under|or younger|or smaller",
    );
    add(
        Cue::Between,
        "between|ranging from|in the range of|within the range of|in the range|within the range|ranges from|range from",
    );
    add(
        Cue::Contains(Place::Inside),
        "containing letter|contains letter|contain letter|contain|contains|containing|contained|have the substring|has the substring|the substring|with the substring|contains the substring|contain the substring|substring|contains the word|contain the word|containing the word|contains the letter|contain the letter|have the word|has the word|has the letter|have the letter|with the word|with the letter|the word|the letter|the letters|the phrase|the string|the characters|includes the word|include the word|includes the letter|like|includes the letters|contains the phrase|that include the word|containing the letter|matching|mentions|mention|mentioning|has word|have word|with word",
    );
    add(
        Cue::Contains(Place::Start),
        "start with|starts with|starting with|begin with|begins with|beginning with|started with|begins with the letter|starts with the letter|start with the letter|start with the word|starts with the word|starting with the word|begin with the word|begins with the word|beginning with the word|starting with the letter|beginning with the letter|starting with letter|prefix|start with letter|starts with letter|start from|starts from|starting letter|with prefix|first letter",
    );
    add(
        Cue::Contains(Place::End),
        "end with|ends with|ending with|end in|ends in|ending in|ends with the letter|end with the letter|ending with the letter|with suffix",
    );
}

fn structure(add: &mut dyn FnMut(Cue, &str)) {
    add(
        Cue::Each,
        "each|for each|of each|in each|by each|from each|to each|per|every|for every|in every|of every|for all the different|grouped by|group by|for each of the|for each of|broken down by|split by|by every|across each|on each|at each|with each|for different|in different|of different|for the different|for all different|in the different|for each different|of each different",
    );
    for (bucket, part, unit) in [
        (Bucket::Minute, None, "minute"),
        (Bucket::Hour, Some(Part::Hour), "hour"),
        (Bucket::Day, None, "day"),
        (Bucket::Week, None, "week"),
        (Bucket::Month, None, "month"),
        (Bucket::Quarter, None, "quarter"),
        (Bucket::Year, None, "year"),
    ] {
        add(
            Cue::Per(bucket),
            &format!(
                "per {unit}|by {unit}|each {unit}|for each {unit}|every {unit}|in each {unit}|over {unit}s|for every {unit}|by the {unit}"
            ),
        );
        if let Some(part) = part {
            add(
                Cue::PerPart(part),
                &format!(
                    "by {unit} of day|by {unit} of the day|per {unit} of day|per {unit} of the day|for each {unit} of the day|at which {unit} of the day|which {unit} of the day"
                ),
            );
        }
    }
    // No more than these: "second" counts as well.
    add(Cue::Per(Bucket::Second), "per second|by second|each second");
    add(Cue::Per(Bucket::Hour), "hourly");
    add(Cue::Per(Bucket::Day), "daily|by date|per date");
    add(Cue::Per(Bucket::Week), "weekly");
    add(Cue::Per(Bucket::Month), "monthly");
    add(Cue::Per(Bucket::Year), "yearly|annually");
    add(
        Cue::PerPart(Part::Weekday),
        "by day of week|by day of the week|per weekday|by weekday|per day of week|per day of the week|for each day of the week",
    );
    add(
        Cue::Order,
        "sort the result|sort the results|order the result|order the results|sort the result in|sort the results in|order the result by|order the results in|order the result in|list the results in|list the result in|sorted by|sort by|ordered by|order by|in order of|order of|ranked by|in terms of|sort|sorted|ordered|order|ordering|ordering by|rank by|listed in order of|in the order of|sort them by|order them by|order the results by|sort the results by|sort the result by|sort results by|sort the list by|sort the list in|order the list by|order the list in|sort the rows by|sort them in|sort it by|sort the answer by|sorting|order results by|listed by|rank|sorted in|ordered in|sort in|list in|listed in|arranged by|in|the order of|in order by",
    );
    add(Cue::In, "in");
    add(
        Cue::Ascending,
        "ascending|ascending order|in ascending order|increasing order|in increasing order|from lowest to highest|from low to high|from youngest to oldest|from oldest to newest|increasing|asc|from smallest to largest|from the lowest to the highest|in ascending order of|in increasing order of|ascending order of|from shortest to longest|from the youngest to the oldest|from least to most|from the smallest to the largest|chronologically|in chronological order|in chronological order of|from early to late|from earliest to latest|from cheapest to most expensive",
    );
    add(
        Cue::Descending,
        "descending|descending order|in descending order|decreasing order|in decreasing order|from highest to lowest|from high to low|from oldest to youngest|decreasing|desc|from largest to smallest|from the highest to the lowest|in descending order of|in decreasing order of|descending order of|from longest to shortest|from the oldest to the youngest|from most to least|from newest to oldest|reverse order|in reverse|from the largest to the smallest|from most recent to oldest|from late to early|from most expensive to cheapest|from latest to earliest|from the most recent to the oldest|from most recent|from newest|from the newest to the oldest|from oldest to most recent|in reverse order|reverse|reversed",
    );
    add(
        Cue::Alphabetical,
        "alphabetical order|in alphabetical order|alphabetically|lexicographical order|in lexicographical order|lexicographic order|in lexicographic order|alphabetical|in alphabetical order of|alphabetic order|in alphabetic order|lexicographically|by alphabetical order|alphabetical order of|in lexicographical order of|in ascending alphabetical order|in the alphabetical order of|in alphabetical order by|in alphabetically ascending order|the alphabetical order of",
    );
    add(
        Cue::Not,
        "not|no|never|non|cannot|nobody|no one|nor|neither|none of|none|isn|don|doesn|didn|n't|have no|has no|had no|do not|does not|did not|is not|are not|was not|were not|have not|has not|had not|have never|has never|do not have|does not have|did not have|not have any|do not have any|does not have any|did not have any|don't have any|have not been|has not been|are not in|have not had|without any kind of",
    );
    add(Cue::Without, "without|lacking|without any|missing|that lack|lack|out of|with null|having null|with empty");
    add(
        Cue::But,
        "but|except|excluding|but not|but do not|but does not|but did not|except for|but never|but have not|but has not|but who did not|but are not|but is not|but who do not|but had not|but don't|but also not|instead of|rather than|and not|and do not|and does not|and did not|and have not|and never|and without|but without|and are not|and is not|but were not|but was not|but no|and no|but have no|but has no|and has not|except those",
    );
    add(Cue::Both, "both|at the same time|either both");
    add(Cue::Or, "or|either");
    add(
        Cue::And,
        "along with|together with|and with|as well as|along with the|together with the|as well as the|and|,|&|and also|;|plus|/|and then|followed by|and who|and that|and which",
    );
    add(Cue::Relative, "who|that|who have|that have|which have|who has|that has|which has|who had|that had|which had");
    add(Cue::Whose, "whose|where the|for which the|with whose");
    add(
        Cue::With,
        "with|having|with a|with the|that have a|with an|for which|in which|to which|from which|on which|at which|by which|with which",
    );
    add(Cue::Of, "of|of the|of all|of all the|belonging to|belongs to|owned by");
    add(
        Cue::In,
        "in|at|from|on|for|to|inside|near|for the|in the|from the|at the|on the|within|via|through|for all|for all the|in all|towards|against|around|of type|using|under the|across",
    );
    add(Cue::By, "by|by the");
    add(
        Cue::Have,
        "has|have|had|do have|does have|did have|contain at least|own|owns|get|gets|received|receive|receives",
    );
    add(Cue::Be, "is|are|was|were|am|be|equals|equal|equal to|is equal to|as");
    add(Cue::Do, "do|does|did|doing");
    add(
        Cue::Named,
        "named|called|titled|by the name of|under the name|by the name|whose name is|with the name|with name|entitled|name is|known as|name of",
    );
    add(Cue::Aged, "years old|year old|years of age");
    add(Cue::Pronoun, "their|its|his|her|them|it|they|he|she|those|theirs|each other");
    add(
        Cue::All,
        "all|any|all the|all of the|all of|everything|everyone|anything|any of the|any of|every single|whatever|of all time|ever|overall",
    );
    add(Cue::Times, "times|time|occasions");
    add(
        Cue::Everything,
        "all information|all the information|all information about|all the information about|all details|all the details|all details of|all the details of|all details about|everything about|all columns|all columns of|every detail of|all info|all info about|the full details of|all the data|all data about|full details of",
    );
    // What they mean depends on whether something is called so.
    add(Cue::Idle, "details of|details of all|details for all|details about");
    add(Cue::Stop, ".|?|!|:");
}

fn qualities(add: &mut dyn FnMut(Cue, &str)) {
    for (at, entry) in QUALITIES.iter().enumerate() {
        for (low, adjectives) in [(false, entry.high), (true, entry.low)] {
            let quality = Quality { at, low };
            for adjective in adjectives {
                let (more, most) = grades(adjective);
                add(
                    Cue::Superlative(!low, Some(quality)),
                    &format!("{most}|the {most}|most {adjective}|the most {adjective}|{most} ever"),
                );
                add(Cue::Superlative(low, Some(quality)), &format!("least {adjective}|the least {adjective}"));
                let op = if low { Op::Lt } else { Op::Gt };
                add(
                    Cue::Compare(op, Some(quality)),
                    &format!("{more} than|more {adjective} than|is {more} than|are {more} than"),
                );
            }
        }
    }
    add(
        Cue::Superlative(true, None),
        "highest|largest|greatest|biggest|the highest|the largest|the greatest|the biggest|best|the best",
    );
    add(Cue::Superlative(false, None), "lowest|smallest|the lowest|the smallest|worst|the worst");
    add(Cue::Compare(Op::Gt, None), "higher than|larger than|greater than|bigger than|better than|later than");
    add(Cue::Compare(Op::Lt, None), "lower than|smaller than|earlier than|worse than");
    if let Some(quality) = quality("new") {
        add(Cue::Superlative(true, Some(quality)), "most recently|the most recently|last time");
        add(Cue::Superlative(false, Some(quality)), "least recently|the least recently");
    }
    add(Cue::Top(true), "first|the first");
    add(Cue::Top(false), "last");
}

/// The comparative and superlative of an adjective.
fn grades(adjective: &str) -> (String, String) {
    match adjective {
        "good" => return ("better".into(), "best".into()),
        "bad" => return ("worse".into(), "worst".into()),
        "far" => return ("farther".into(), "farthest".into()),
        "little" => return ("less".into(), "least".into()),
        "hot" | "big" => {
            let last = adjective.chars().next_back().unwrap_or('t');
            return (format!("{adjective}{last}er"), format!("{adjective}{last}est"));
        }
        _ => {}
    }
    if let Some(root) = adjective.strip_suffix('y') {
        (format!("{root}ier"), format!("{root}iest"))
    } else if let Some(root) = adjective.strip_suffix('e') {
        (format!("{root}er"), format!("{root}est"))
    } else {
        (format!("{adjective}er"), format!("{adjective}est"))
    }
}

/// The most words a phrase has.
pub const LONGEST: usize = 8;

/// What a phrase in small letters, one blank between its words, does.
#[must_use]
pub fn of(phrase: &str) -> Option<Cue> {
    PHRASES.get(phrase).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_of_adjectives() {
        assert_eq!(grades("old"), ("older".to_owned(), "oldest".to_owned()));
        assert_eq!(grades("heavy").1, "heaviest");
        assert_eq!(grades("big").0, "bigger");
        assert_eq!(grades("late").1, "latest");
    }

    #[test]
    fn the_small_end_of_a_quality_is_known() {
        let Some(Cue::Superlative(most, Some(quality))) = of("cheapest") else { panic!("no superlative") };
        assert!(!most && quality.low);
        assert_eq!(quality.measured_by(&["price".to_owned()].map(|s| super::super::words::stem(&s))), Some((0, true)));
    }
}

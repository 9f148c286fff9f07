//! Identifiers as words: `stu_fname` is a student's first name.

use super::words::stem;

/// Short forms that occur in names of columns, and the words they stand for.
const SHORT: &[(&str, &str)] = &[
    ("acct", "account"),
    ("addr", "address"),
    ("amt", "amount"),
    ("apt", "apartment"),
    ("attr", "attribute"),
    ("avg", "average"),
    ("bal", "balance"),
    ("bdate", "birth date"),
    ("bday", "birthday"),
    ("birthdate", "birth date"),
    ("birthplace", "birth place"),
    ("cat", "category"),
    ("cd", "code"),
    ("cnt", "count"),
    ("crs", "course"),
    ("ctry", "country"),
    ("cust", "customer"),
    ("db", "database"),
    ("dept", "department"),
    ("desc", "description"),
    ("dest", "destination"),
    ("dob", "date birth"),
    ("doc", "document"),
    ("dt", "date"),
    ("dur", "duration"),
    ("emp", "employee"),
    ("enddate", "end date"),
    ("err", "error"),
    ("exp", "experience"),
    ("firstname", "first name"),
    ("fname", "first name"),
    ("forename", "first name"),
    ("freq", "frequency"),
    ("hiredate", "hire date"),
    ("hrs", "hours"),
    ("info", "information"),
    ("init", "initial"),
    ("inv", "invoice"),
    ("jobcode", "job code"),
    ("lang", "language"),
    ("lastname", "last name"),
    ("lat", "latitude"),
    ("lname", "last name"),
    ("lng", "longitude"),
    ("loc", "location"),
    ("lon", "longitude"),
    ("long", "longitude"),
    ("max", "maximum"),
    ("mfr", "manufacturer"),
    ("mgr", "manager"),
    ("min", "minimum"),
    ("msg", "message"),
    ("nbr", "number"),
    ("no", "number"),
    ("num", "number"),
    ("org", "organization"),
    ("param", "parameter"),
    ("pct", "percentage"),
    ("perc", "percentage"),
    ("pos", "position"),
    ("postcode", "post code"),
    ("prereq", "prerequisite"),
    ("prod", "product"),
    ("prof", "professor"),
    ("proj", "project"),
    ("pub", "publication"),
    ("qty", "quantity"),
    ("reg", "registration"),
    ("req", "request"),
    ("sec", "section"),
    ("seq", "sequence"),
    ("startdate", "start date"),
    ("std", "standard"),
    ("stmt", "statement"),
    ("stu", "student"),
    ("surname", "last name"),
    ("tel", "telephone"),
    ("temp", "temperature"),
    ("trans", "transaction"),
    ("tx", "transaction"),
    ("txn", "transaction"),
    ("univ", "university"),
    ("username", "user name"),
    ("ver", "version"),
    ("vol", "volume"),
    ("wt", "weight"),
    ("yr", "year"),
    ("zipcode", "zip code"),
];

/// Words that end names written without a separator: `custid`, `airportcode`.
const ENDINGS: &[&str] = &[
    "address",
    "amount",
    "code",
    "color",
    "count",
    "date",
    "description",
    "fname",
    "id",
    "key",
    "lname",
    "name",
    "no",
    "number",
    "num",
    "price",
    "status",
    "time",
    "title",
    "type",
    "year",
];

/// Words that say little about what a column holds.
const WEAK: &[&str] = &[
    "actual",
    "code",
    "count",
    "cumulative",
    "current",
    "data",
    "detail",
    "details",
    "description",
    "full",
    "id",
    "in",
    "info",
    "information",
    "key",
    "name",
    "nr",
    "num",
    "number",
    "of",
    "other",
    "ref",
    "reference",
    "tbl",
    "the",
    "total",
    "type",
    "value",
    "yn",
];

/// An identifier's words in small letters, short forms written out, and the same as stems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The words.
    pub words: Vec<String>,
    /// Their stems.
    pub stems: Vec<String>,
}

impl Words {
    /// Of an identifier; `known` tells words that may be glued together in it.
    pub fn of(identifier: &str, known: &dyn Fn(&str) -> bool) -> Self {
        let words: Vec<String> =
            glued_initials(split(identifier)).iter().flat_map(|part| unglue(part, known)).flat_map(expand).collect();
        let words: Vec<String> =
            words.into_iter().filter(|word| !matches!(word.as_str(), "of" | "the" | "a" | "and" | "or")).collect();
        let stems = words.iter().map(|word| stem(word)).collect();
        Self { words, stems }
    }

    /// Whether the last word is `word`.
    #[must_use]
    pub fn ends_with(&self, word: &str) -> bool {
        self.words.last().is_some_and(|last| last == word)
    }

    /// Whether `word` is one of the words.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|one| one == word)
    }
}

/// How much a word of a name says about what it holds, 0 to 1.
#[must_use]
pub fn weight(word: &str) -> f64 {
    if WEAK.contains(&word) { 0.35 } else { 1.0 }
}

/// `LName` is one short form, not a letter and a word.
fn glued_initials(parts: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part == "name" && (last == "f" || last == "l") => last.push_str(&part),
            _ => joined.push(part),
        }
    }
    joined
}

/// The parts of an identifier at underscores, blanks, digits and changes to capitals.
#[must_use]
pub fn split(identifier: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    let chars: Vec<char> = identifier.chars().collect();
    for (i, c) in chars.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|p| chars.get(p)).copied().unwrap_or(' ');
        let next_is_small = chars.get(i + 1).is_some_and(|c| c.is_lowercase());
        let begins = c.is_uppercase() && (previous.is_lowercase() || (previous.is_uppercase() && next_is_small))
            || c.is_ascii_digit() != previous.is_ascii_digit() && previous.is_alphanumeric();
        if (!c.is_alphanumeric() || begins) && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
        if c.is_alphanumeric() {
            part.extend(c.to_lowercase());
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn expand(word: String) -> Vec<String> {
    match SHORT.binary_search_by(|(short, _)| (*short).cmp(word.as_str())) {
        Ok(at) => SHORT.get(at).map_or("", |(_, long)| *long).split(' ').map(str::to_owned).collect(),
        Err(_) => vec![word],
    }
}

/// `custid` is `cust id`: an ending that is a word, before it a short form or something another name holds.
fn unglue(part: &str, known: &dyn Fn(&str) -> bool) -> Vec<String> {
    let whole = || vec![part.to_owned()];
    if known(part) || SHORT.binary_search_by(|(short, _)| (*short).cmp(part)).is_ok() {
        return whole();
    }
    let head_of =
        |ending: &'static str| part.strip_suffix(ending).filter(|head| head.len() >= 2).map(|head| (head, ending));
    let is_word = |head: &str| known(head) || SHORT.binary_search_by(|(short, _)| (*short).cmp(head)).is_ok();
    let found = ENDINGS.iter().filter_map(|ending| head_of(ending)).find(|(head, _)| is_word(head));
    // What precedes "id" is a name, if only a short one.
    let id = part.strip_suffix("id").filter(|head| head.len() == 3 || head.len() == 4).map(|head| (head, "id"));
    // `gtype`: an initial before a word that ends many names.
    let initial = ENDINGS
        .iter()
        .filter(|e| e.len() > 3)
        .filter_map(|ending| part.strip_suffix(*ending).filter(|head| head.len() == 1).map(|head| (head, *ending)));
    let mut initial = initial;
    let initial = initial.rfind(|(_, ending)| !matches!(*ending, "name" | "number"));
    found.or(id).or(initial).map_or_else(whole, |(head, ending)| vec![head.to_owned(), ending.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(identifier: &str) -> String {
        Words::of(identifier, &|word| word == "airport" || word == "paid").words.join(" ")
    }

    #[test]
    fn tables_are_sorted_for_the_search() {
        assert!(SHORT.is_sorted());
    }

    #[test]
    fn identifiers_become_words() {
        for (identifier, expected) in [
            ("orderTotal", "order total"),
            ("stu_fname", "student first name"),
            ("HTTPStatus", "http status"),
            ("airportcode", "airport code"),
            ("CustID", "customer id"),
            ("custid", "customer id"),
            ("date_of_birth", "date birth"),
            ("num_of_items", "number items"),
            ("paid", "paid"),
            ("line2", "line 2"),
        ] {
            assert_eq!(words(identifier), expected, "{identifier}");
        }
    }
}

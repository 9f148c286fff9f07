//! Writes the stem of each word of stdin, a line each, as the translator makes them.

#[path = "../../../../src/query/language/words.rs"]
#[allow(dead_code)]
mod words;

fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lines() {
        let stems: Vec<String> = line?.split(' ').map(words::stem).collect();
        println!("{}", stems.join(" "));
    }
    Ok(())
}

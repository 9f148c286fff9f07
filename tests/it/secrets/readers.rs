//! What is written into an env file is read alike by bash, docker-compose and python-dotenv.

use super::stack::Stack;
use crate::support::{Llmsql, program, python, servers};
use llmsql::formats::dotenv::Document;
use llmsql::secrets::generate::Recipe;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

type Values = BTreeMap<String, String>;

/// As a shell reads it.
fn bash(file: &Path) -> Values {
    let script = "set -a; . \"$1\"; env -0";
    let mut bash = Command::new("bash");
    let output = bash.args(["-c", script, "bash"]).arg(file).env_clear().env("PATH", "/usr/bin:/bin").output();
    let bytes = output.expect("bash can be run").stdout;
    let pairs = bytes.split(|b| *b == 0).filter_map(|p| std::str::from_utf8(p).ok()?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn python_dotenv(file: &Path) -> Values {
    let script = "import dotenv, json, sys; print(json.dumps(dotenv.dotenv_values(sys.argv[1])))";
    let mut command = python();
    // docker-compose's own comes with it, where it is not installed for itself.
    let path = format!("{0}/python:{0}/debian/usr/lib/python3/dist-packages", servers().display());
    let output = command.env("PYTHONPATH", path).args(["-c", script]).arg(file).output().expect("python3 can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// As a service gets it whose compose file passes each name on.
fn compose(file: &Path, names: &[String]) -> Values {
    let dir = file.parent().expect("a folder");
    let environment: String = names.iter().map(|n| format!("      {n}: \"${{{n}}}\"\n")).collect();
    let yaml = format!("version: \"3\"\nservices:\n  app:\n    image: app\n    environment:\n{environment}");
    fs::write(dir.join("docker-compose.yml"), yaml).expect("a file");
    let mut command = program("docker-compose");
    let output = command.args(["--env-file"]).arg(file).args(["-f"]).arg(dir.join("docker-compose.yml")).arg("config");
    let output = output.env("LC_ALL", "C.UTF-8").output().expect("docker-compose can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config: Value = serde_yaml::from_slice(&output.stdout).expect("YAML");
    let map = config["services"]["app"]["environment"].as_object().expect("its environment").clone();
    // What it prints is to be read again, so it writes a dollar twice.
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned).replace("$$", "$");
    map.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// All three, and what they differ in from the file as we read it.
fn all_agree(document: &Document, names: &[String], dir: &Path) {
    let file = dir.join(".env");
    fs::write(&file, document.to_bytes()).expect("the env file");
    let readers =
        [("bash", bash(&file)), ("python-dotenv", python_dotenv(&file)), ("docker-compose", compose(&file, names))];
    for name in names {
        let own = document.get(name).expect("a value");
        for (reader, values) in &readers {
            assert_eq!(values.get(name).map(String::as_str), Some(own.expose_secret()), "{name} as {reader} reads it");
        }
    }
}

#[test]
fn generated_values_are_read_alike_wherever_they_are_put() {
    let recipes = [Recipe::Text(256), Recipe::Text(192), Recipe::Hex(32), Recipe::Ed25519];
    let forms = [
        "{n}=old",
        "export {n}=old",
        "{n}=\"old one\" # x",
        "{n}='old'",
        "  {n}='a\nb'",
        "{n}=",
        "{n}=\"a\\\"b\"  # c",
    ];
    let (mut text, mut names) = (String::from("# first\n"), Vec::new());
    for at in 0..400 {
        let name = format!("NAME_{at}");
        text.push_str(&forms[at % forms.len()].replace("{n}", &name));
        text.push_str("\n\n# between\n");
        names.push(name);
    }
    let mut document = Document::parse(text.as_bytes());
    for (at, name) in names.iter().enumerate() {
        document.set(name, &recipes[at % recipes.len()].make().expect("a value")).expect("it is set");
    }
    let dir = tempfile::tempdir().expect("a folder");
    all_agree(&document, &names, dir.path());
}

#[test]
fn given_values_are_read_alike_where_any_form_is() {
    let values = [
        "plain",
        "two words",
        "# hash",
        "a#b",
        "a=b",
        "semi;colon",
        "star*",
        "quote\"d",
        "tab\there",
        "ünïcode",
        "a&b|c",
        "(x)",
        "it's",
    ];
    let mut document = Document::default();
    let names: Vec<String> = (0..values.len()).map(|at| format!("GIVEN_{at}")).collect();
    for (name, value) in names.iter().zip(values) {
        document.add(name, &SecretString::from(value), None).expect("it is added");
    }
    let dir = tempfile::tempdir().expect("a folder");
    all_agree(&document, &names, dir.path());
}

#[test]
fn the_template_that_init_fills_is_read_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = Llmsql::new().dir(dir.path()).env("STATE_DIRECTORY", dir.path().join("state")).args(["secrets", "init"]);
    run.run().success();
    let document = Document::parse(&fs::read(dir.path().join(".env")).expect("the env file"));
    let names: Vec<String> = document.names().map(|(_, n)| n.to_owned()).collect();
    assert!(names.len() > 8);
    all_agree(&document, &names, dir.path());
}

/// A given value that no form can carry to all three is put there, and said.
#[test]
fn a_value_that_readers_take_differently_is_said() {
    let stack = Stack::without_bouncer("");
    for (value, odd) in [
        ("it's $HOME", true),
        ("it's\ttabbed", true),
        ("${HOME}", true),
        ("$HOME", false),
        ("plain", false),
        ("two words", false),
    ] {
        let run = stack.secrets(&["rotate", "SECRET_KEY", "--yes", "--value", "-"]).stdin(value).run().success();
        assert_eq!(run.stderr.contains("read it differently"), odd, "{value}: {}", run.stderr);
        assert!(!run.stderr.contains(value), "{}", run.stderr);
        assert_eq!(stack.value("SECRET_KEY"), value);
    }
}

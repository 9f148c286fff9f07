//! The first env file: the template with every marker filled.

use crate::error::{Error, Exit, Result};
use crate::formats::dotenv::Document;
use crate::output::file::{self, Expected, NotCommitted};
use crate::secrets::env;
use crate::secrets::generate::Recipe;
use crate::secrets::record;
use crate::secrets::sealed;
use crate::state::State;
use secrecy::ExposeSecret;
use std::fs;
use std::path::Path;

/// What `init` did.
#[derive(Debug, serde::Serialize)]
pub struct Made {
    /// The env file.
    pub env_file: String,
    /// The names that got a value.
    pub filled: Vec<String>,
    /// The names that were there before and stay as they were.
    pub kept: Vec<String>,
}

/// Fills a template's `<generate…>` markers and writes it as the env file, 0600 from its first byte. With `fill` an env
/// file that is there keeps its values and every other byte, and only what is empty or still a marker is filled.
///
/// # Errors
/// There is an env file already (13) and nobody said what to do with it; those of reading and writing, when nothing has
/// changed.
pub fn init(path: &Path, template: &[u8], fill: bool, overwrite: bool, state: &State) -> Result<Made> {
    env::settled(path)?;
    let place = env::absolute(path);
    let _lock = file::lock(file::folder(&place))?;
    let wrong = |e: std::io::Error| Error::failed("secrets.init", "cannot be written").at(path.display()).because(e);
    let old = if fs::symlink_metadata(path).is_ok() { Some(env::EnvFile::read_unsettled(path)?) } else { None };
    if old.is_some() && !fill && !overwrite {
        return Err(Error::new(
            Exit::Precondition,
            "secrets.exists",
            "there is an env file already, and it is left alone",
        )
        .at(path.display())
        .next(
            "fill what it lacks with --fill, rotate with `llmsql secrets rotate`, or lose its values with --overwrite",
        ));
    }
    let filling = if fill && old.is_some() { Some(env::EnvFile::read_to_change(path)?) } else { None };
    let mut document = Document::parse(filling.as_ref().map_or(template, |env| &env.bytes.0));
    let names: Vec<String> = document.names().map(|(_, name)| name.to_owned()).collect();
    let (mut filled, mut kept) = (Vec::new(), Vec::new());
    for name in names {
        let value = document.get(&name).unwrap_or_default();
        match recipe(&name, value.expose_secret()) {
            Some(recipe) => {
                let problem = |p: crate::formats::Problem| {
                    Error::usage("secrets.init", p.message).at(format!("{}:{}", path.display(), p.line))
                };
                document.set(&name, &recipe.make()?).map_err(problem)?;
                filled.push(name);
            }
            None => kept.push(name),
        }
    }
    let attributes = filling.map_or_else(sealed::private, |env| env.attributes);
    file::trusted(&place, attributes.uid)?;
    let expected = match &old {
        Some(old) => Expected::Content(&old.bytes.0),
        None => Expected::Absent,
    };
    file::sweep(file::folder(&place), sealed::TAG).map_err(wrong)?;
    let staged = file::stage(&place, &document.to_bytes(), Some(&attributes), sealed::TAG).map_err(wrong)?;
    staged.commit(expected).map_err(|e| match e {
        NotCommitted::Changed => Error::failed("secrets.init", "was changed in the meantime").at(path.display()),
        NotCommitted::Io(e) => wrong(e),
    })?;
    let key = place.display().to_string();
    record::note(state, &key, filled.iter().map(String::as_str), "made")?;
    Ok(Made { env_file: key, filled, kept })
}

/// What an entry is to be filled with: what its marker asks, and for a known secret that is empty, 256 bits.
fn recipe(name: &str, value: &str) -> Option<Recipe> {
    let empty = || (value.is_empty() && crate::secrets::catalogue::is_known(name)).then_some(Recipe::Hex(32));
    Recipe::of_marker(value).or_else(empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::TEMPLATE;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_template_is_filled_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(&dir.path().join("state")).unwrap();
        let path = dir.path().join(".env");
        let made = init(&path, TEMPLATE.as_bytes(), false, false, &state).unwrap();
        assert_eq!(made.filled.len(), 7);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().all(|l| l.starts_with('#') || !l.contains("<generate")));
        assert_eq!(init(&path, TEMPLATE.as_bytes(), false, false, &state).unwrap_err().exit, Exit::Precondition);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        init(&path, TEMPLATE.as_bytes(), false, true, &state).unwrap();
        assert_ne!(fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn filling_keeps_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open_in(&dir.path().join("state")).unwrap();
        let path = dir.path().join(".env");
        fs::write(&path, "# mine\nSECRET_KEY=keep\nJWT_SECRET_KEY=\nOTHER=\nX='<generate-hex-16>' # x\n").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let made = init(&path, b"", true, false, &state).unwrap();
        assert_eq!(
            (made.filled, made.kept),
            (vec!["JWT_SECRET_KEY".into(), "X".into()], vec!["SECRET_KEY".into(), "OTHER".into()])
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# mine\nSECRET_KEY=keep\n")
                && text.contains("\nOTHER=\nX='")
                && text.ends_with("' # x\n")
        );
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }
}

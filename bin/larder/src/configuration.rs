//! `larder.toml`: its keys become flags in front of those that were typed, so
//! one parser checks all and a typed flag wins. A key whose environment
//! variable is set is left out, because flags would win over variables.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::admin::AdminCommand;
use crate::cached;
use crate::flags::Command;

/// The file that is read when it exists and `LARDER_CONFIG` names no other.
const FILE: &str = "larder.toml";

/// The commands whose keys stand in sections of their own, by their names: they
/// have other addresses and other databases.
const SECTIONS: [&str; 2] = ["bazar", "grants"];

/// The arguments with those of the configuration file put in.
///
/// # Errors
/// The file can't be read, or has a key that can be no flag.
pub(crate) fn with_file(arguments: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let named = std::env::var_os("LARDER_CONFIG");
    let path = PathBuf::from(named.clone().unwrap_or_else(|| FILE.into()));
    let mut flags = Vec::new();
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let is_set = |variable: &str| std::env::var_os(variable).is_some();
            let command = arguments.get(1);
            let section =
                SECTIONS.into_iter().find(|section| command.is_some_and(|it| it == section));
            flags = to_flags(&text, section, is_set)
                .map_err(|why| format!("{}: {why}", path.display()))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {}
        Err(error) => return Err(format!("{}: can't be read: {error}", path.display())),
    }
    Ok(put_in(arguments, flags))
}

/// Puts flags behind the command, which is `serve` if none is given. Behind
/// `admin` and its command stand those of them that it has.
fn put_in(mut arguments: Vec<OsString>, flags: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).and_then(|argument| argument.to_str()).unwrap_or_default();
    let first = first.to_owned();
    let first = first.as_str();
    let names_a_command = Command::NAMES.contains(&first);
    let asks_about_the_program = matches!(first, "help" | "-h" | "--help" | "-V" | "--version");
    if asks_about_the_program {
        return arguments;
    }
    if !names_a_command && (first.is_empty() || first.starts_with('-')) {
        arguments.insert(1.min(arguments.len()), "serve".into());
    }
    if first == "admin" {
        let second = arguments.get(2).and_then(|argument| argument.to_str()).unwrap_or("-");
        if !second.starts_with('-') && second != "help" {
            arguments.splice(3..3, flags.into_iter().filter(AdminCommand::has));
        }
        return arguments;
    }
    // The file is about services; what is measured may be another machine's.
    if first == "load" {
        return arguments;
    }
    // The reference's flags come from its command line alone.
    if first == "memcached" {
        return arguments;
    }
    if first == "cache" {
        arguments.splice(2..2, flags.into_iter().filter(cached::has));
        return arguments;
    }
    let names_a_part = SECTIONS.contains(&first)
        && arguments.get(2).is_some_and(|part| !part.as_encoded_bytes().starts_with(b"-"));
    let behind_command = if names_a_part { 3 } else { 2.min(arguments.len()) };
    arguments.splice(behind_command..behind_command, flags);
    arguments
}

fn to_flags(
    text: &str,
    section: Option<&str>,
    is_set: impl Fn(&str) -> bool,
) -> Result<Vec<OsString>, String> {
    let mut table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut of_command = None;
    for name in SECTIONS {
        match table.remove(name) {
            Some(toml::Value::Table(found)) if section == Some(name) => of_command = Some(found),
            Some(toml::Value::Table(_)) | None => {}
            Some(_) => return Err(format!("{name} must be a section: [{name}]")),
        }
    }
    if section.is_some() {
        table = of_command.unwrap_or_default();
    }
    let mut flags = Vec::new();
    for (key, value) in table {
        let variable = key.to_ascii_uppercase().replace('-', "_");
        let of_section = section.map(|section| format!("{}_", section.to_ascii_uppercase()));
        let of_section = of_section.unwrap_or_default();
        if is_set(&format!("LARDER_{variable}"))
            || is_set(&format!("LARDER_{of_section}{variable}"))
        {
            continue;
        }
        let values = match value {
            toml::Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            match value {
                toml::Value::Boolean(true) => flags.push(format!("--{key}").into()),
                toml::Value::Boolean(false) => {}
                toml::Value::String(text) => flags.push(format!("--{key}={text}").into()),
                toml::Value::Integer(number) => flags.push(format!("--{key}={number}").into()),
                toml::Value::Float(number) => flags.push(format!("--{key}={number}").into()),
                _ => return Err(format!("{key} must be a text, a number, true or false")),
            }
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<OsString> {
        texts.iter().map(Into::into).collect()
    }

    #[test]
    fn a_section_is_for_its_command_only() {
        let text = "listen = \"x\"\n[bazar]\nlisten = \"y\"\nitems = 6\n";
        let flags = |section| to_flags(text, section, |_| false).expect("is read");
        assert_eq!(flags(None), strings(&["--listen=x"]));
        assert_eq!(flags(Some("bazar")), strings(&["--items=6", "--listen=y"]));
        let one_is_set = |variable: &str| variable == "LARDER_BAZAR_ITEMS";
        let flags = to_flags(text, Some("bazar"), one_is_set).expect("is read");
        assert_eq!(flags, strings(&["--listen=y"]));
        assert!(to_flags("bazar = 5", Some("bazar"), |_| false).is_err());
        let flags = || strings(&["--items=6"]);
        assert_eq!(
            put_in(strings(&["larder", "bazar", "order", "--data=x"]), flags()),
            strings(&["larder", "bazar", "order", "--items=6", "--data=x"])
        );
        assert_eq!(
            put_in(strings(&["larder", "bazar"]), flags()),
            strings(&["larder", "bazar", "--items=6"])
        );
    }

    #[test]
    fn keys_become_flags_unless_their_variable_is_set() {
        let text = "capacity = \"1GB\"\nmax-pixels = 5\nallow-svg = true\nallow-anonymous = false\n\
                    host = [\"a\", \"b\"]\nlisten = \"x\"";
        let flags = to_flags(text, None, |variable| variable == "LARDER_LISTEN").expect("is read");
        let expected = ["--capacity=1GB", "--max-pixels=5", "--allow-svg", "--host=a", "--host=b"];
        let mut sorted = (flags, strings(&expected));
        sorted.0.sort();
        sorted.1.sort();
        assert_eq!(sorted.0, sorted.1);
        assert!(to_flags("[table]\na = 1", None, |_| false).is_err());
        assert!(to_flags("nonsense", None, |_| false).is_err());
    }

    #[test]
    fn serve_is_the_command_when_none_is_given() {
        let flags = || strings(&["--log=json"]);
        assert_eq!(
            put_in(strings(&["larder"]), flags()),
            strings(&["larder", "serve", "--log=json"])
        );
        assert_eq!(
            put_in(strings(&["larder", "--data", "x"]), flags()),
            strings(&["larder", "serve", "--log=json", "--data", "x"])
        );
        assert_eq!(
            put_in(strings(&["larder", "images", "--data", "x"]), flags()),
            strings(&["larder", "images", "--log=json", "--data", "x"])
        );
        let typed = ["larder", "admin", "verify", "--repair"];
        let flags = strings(&["--log=json", "--capacity=5", "--data=x", "--log-level=info"]);
        assert_eq!(
            put_in(strings(&typed), flags),
            strings(&[
                "larder",
                "admin",
                "verify",
                "--log=json",
                "--data=x",
                "--log-level=info",
                "--repair"
            ])
        );
        let flags = || strings(&["--log=json"]);
        for untouched in ["--help", "--version", "admin"] {
            assert_eq!(
                put_in(strings(&["larder", untouched]), flags()),
                strings(&["larder", untouched])
            );
        }
    }
}

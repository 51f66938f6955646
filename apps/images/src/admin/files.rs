//! The row file of a backup: one JSON object a line, the same for every
//! engine. The first line tells whose rows they are and how many, the last
//! one has the hash of all before it, so a cut or changed file is noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use larder_blobs::Hasher;
use larder_sql::Value;
use serde::{Deserialize, Serialize};

use super::{Failure, Result};
use crate::store::{Counts, Table, Values};

/// The version of the format.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    larder_backup: u32,
    /// The version of the program that wrote it.
    program: String,
    /// Whose rows they are.
    pub(super) identity: String,
    /// When, for people.
    created_at: String,
    /// Rows by table.
    rows: BTreeMap<String, u64>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: Ending,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ending {
    /// Blobs that were damaged or missing when the backup was made, so that it
    /// hasn't them.
    pub(super) damaged: Vec<String>,
    hash: String,
}

fn by_table(counts: Counts) -> BTreeMap<String, u64> {
    Table::ALL.map(|table| table.name().to_owned()).into_iter().zip(counts).collect()
}

/// A row file that is being written.
pub(super) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hasher: Hasher,
}

impl Writer {
    pub(super) fn create(
        path: &Path,
        identity: &str,
        created_at: &str,
        counts: Counts,
    ) -> Result<Self> {
        let file = File::create(path).map_err(Failure::file(format!("make {}", path.display())))?;
        let (path, out, hasher) = (path.to_owned(), BufWriter::new(file), Hasher::default());
        let mut writer = Self { path, out, hasher };
        writer.line(&Header {
            larder_backup: FORMAT,
            program: env!("CARGO_PKG_VERSION").into(),
            identity: identity.into(),
            created_at: created_at.into(),
            rows: by_table(counts),
        })?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, table: Table, values: &[Value]) -> Result<()> {
        let columns: serde_json::Map<_, _> = table
            .columns()
            .iter()
            .zip(values)
            .map(|(column, value)| Ok(((*column).to_owned(), to_json(value)?)))
            .collect::<Result<_>>()?;
        self.line(&BTreeMap::from([(table.name(), columns)]))
    }

    /// Puts all that was written so far on disk, so that it can be read.
    pub(super) fn flush(&mut self) -> Result<()> {
        let operation = format!("write {}", self.path.display());
        self.out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .map_err(Failure::file(operation))
    }

    /// Writes the last line and gives the file its name.
    pub(super) fn finish(mut self, damaged: Vec<String>, name: &Path) -> Result<()> {
        let hash = self.hasher.finish().to_string();
        self.line(&End { end: Ending { damaged, hash } })?;
        self.flush()?;
        let put = std::fs::rename(&self.path, name).and_then(|()| {
            // The name must survive a power cut too.
            File::open(name.parent().unwrap_or(name))?.sync_all()
        });
        put.map_err(Failure::file(format!("put {} in place", name.display())))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| broken(&self.path, &error))?;
        text.push(b'\n');
        self.hasher.update(&text);
        self.out.write_all(&text).map_err(Failure::file(format!("write {}", self.path.display())))
    }
}

/// A row file that is being read.
pub(super) struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    hasher: Hasher,
    /// The first line.
    pub(super) header: Header,
    read: BTreeMap<String, u64>,
    ending: Option<Ending>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Failure::file(format!("open {}", path.display())))?;
        let mut lines = BufReader::new(file);
        let mut first = Vec::new();
        lines
            .read_until(b'\n', &mut first)
            .map_err(Failure::file(format!("read {}", path.display())))?;
        let header: Header =
            serde_json::from_slice(&first).map_err(|error| broken(path, &error))?;
        if header.larder_backup != FORMAT {
            return Err(Failure::Refused(format!(
                "{} is of format {}, this program reads format {FORMAT}: use a newer larder",
                path.display(),
                header.larder_backup
            )));
        }
        let mut hasher = Hasher::default();
        hasher.update(&first);
        let (read, ending) = (by_table(Counts::default()), None);
        Ok(Self { path: path.to_owned(), lines, hasher, header, read, ending })
    }

    /// How many rows of a table the first line says there are.
    pub(super) fn rows_of(&self, table: Table) -> u64 {
        self.header.rows.get(table.name()).copied().unwrap_or(0)
    }

    /// The next row; `None` behind the last one, which was the last one
    /// that was written.
    pub(super) fn next(&mut self) -> Result<Option<(Table, Values)>> {
        let mut line = Vec::new();
        self.lines
            .read_until(b'\n', &mut line)
            .map_err(Failure::file(format!("read {}", self.path.display())))?;
        let cut = || broken(&self.path, &"it is cut off");
        if line.last() != Some(&b'\n') {
            return Err(cut());
        }
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&line).map_err(|error| broken(&self.path, &error))?;
        let (name, value) = object.into_iter().next().ok_or_else(cut)?;
        let Some(table) = Table::ALL.into_iter().find(|table| table.name() == name) else {
            let End { end } =
                serde_json::from_slice(&line).map_err(|error| broken(&self.path, &error))?;
            if end.hash != self.hasher.finish().to_string() || self.read != self.header.rows {
                return Err(broken(&self.path, &"it isn't as it was written"));
            }
            self.ending = Some(end);
            return Ok(None);
        };
        self.hasher.update(&line);
        *self.read.entry(name).or_default() += 1;
        let column = |column: &&str| match value.get(column) {
            Some(value) => from_json(value).ok_or_else(|| broken(&self.path, &"a strange value")),
            None if table.came_later(column) => Ok(Value::Null),
            None => Err(broken(&self.path, &"a row lacks a column")),
        };
        Ok(Some((table, table.columns().iter().map(column).collect::<Result<_>>()?)))
    }

    /// What the last line says. Reads up to there and checks all on the way.
    pub(super) fn ending(mut self) -> Result<Ending> {
        while self.next()?.is_some() {}
        self.ending.take().ok_or_else(|| broken(&self.path, &"it is cut off"))
    }
}

fn broken(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::Broken(format!("the row file {} is damaged: {why}", path.display()))
}

fn to_json(value: &Value) -> Result<serde_json::Value> {
    match value {
        Value::Null => Ok(serde_json::Value::Null),
        Value::Integer(number) => Ok((*number).into()),
        Value::Text(text) => Ok(text.as_str().into()),
        Value::Real(_) | Value::Blob(_) => {
            Err(Failure::Broken("a row holds a value that no table here has".into()))
        }
    }
}

fn from_json(value: &serde_json::Value) -> Option<Value> {
    match value {
        serde_json::Value::Null => Some(Value::Null),
        serde_json::Value::Number(number) => number.as_i64().map(Value::Integer),
        serde_json::Value::String(text) => Some(Value::Text(text.clone())),
        _ => None,
    }
}

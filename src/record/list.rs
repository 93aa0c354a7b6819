//! Rows of files that others wrote: JSON lines, or one JSON list, told apart by the first character.
//!
//! A list is cut into its elements by counting brackets outside of strings, and each element is parsed by
//! itself, so that a list of any length needs the memory of its longest element and is forgiven the same as
//! lines are. What stands between elements is checked as strictly as JSON demands.

use std::io::{self, BufRead};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::RecordError;
use super::reader::{BYTE_ORDER_MARK, LINE_BYTES_MAX, Line, Lines, open_text, parse};

/// Opens a file of JSON lines or a JSON list, compressed or not; rows follow one at a time.
pub fn read_rows<T: DeserializeOwned>(path: &Path) -> Result<Rows<T>, RecordError> {
    let mut input = open_text(path)?;
    let start = skip_to_first(&mut *input);
    let (line_ends, first) =
        start.map_err(|source| RecordError::Read { path: path.to_owned(), line: 1, source })?;
    if first != Some(b'[') {
        return Ok(Rows::Lines(Lines::new(path, input, line_ends)));
    }
    input.consume(1);
    let (path, line) = (path.to_owned(), line_ends + 1);
    Ok(Rows::List(List { path, input, line, number: 0, done: false, rows: PhantomData }))
}

/// The rows of a file in either form, in order.
pub enum Rows<T> {
    /// One row in each line.
    Lines(Lines<T>),
    /// The elements of a list.
    List(List<T>),
}

impl<T: DeserializeOwned> Iterator for Rows<T> {
    type Item = Result<Line<T>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Rows::Lines(lines) => lines.next(),
            Rows::List(list) => list.next(),
        }
    }
}

/// The elements of a JSON list, in order; after an `Err` about the list itself there is nothing more.
pub struct List<T> {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    /// Line in which the next byte stands, from 1.
    line: usize,
    number: usize,
    done: bool,
    rows: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Iterator for List<T> {
    type Item = Result<Line<T>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let (line, bytes) = match self.next_element() {
            Ok(Some(element)) => element,
            Ok(None) => return None,
            Err(error) => {
                self.done = true;
                return Some(Err(error));
            }
        };
        let number = self.number;
        self.number += 1;
        let row = parse(&bytes).map(|value| Line { number, line, value });
        Some(row.map_err(|message| RecordError::Parse {
            path: self.path.clone(),
            line,
            message: format!("element {number} of the list: {message}"),
        }))
    }
}

impl<T> List<T> {
    /// Returns the bytes of the next element and the line where it begins.
    fn next_element(&mut self) -> Result<Option<(usize, Vec<u8>)>, RecordError> {
        let mut bytes = Vec::new();
        let line_before = self.line;
        let end = self.read_element(&mut bytes)?;
        let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace());
        let line = line_before + blank.filter(|byte| **byte == b'\n').count();
        if end == b'}' {
            return Err(self.refused("a closing brace too many"));
        }
        let is_blank = bytes.trim_ascii().is_empty();
        if end == b']' {
            self.done = true;
            self.expect_end()?;
            if is_blank && self.number == 0 {
                return Ok(None);
            }
        }
        if is_blank {
            return Err(self.refused("an element is missing beside a comma"));
        }
        Ok(Some((line, bytes)))
    }

    /// Reads up to the comma or bracket that ends an element, and returns that.
    fn read_element(&mut self, bytes: &mut Vec<u8>) -> Result<u8, RecordError> {
        let mut nesting = Nesting::default();
        loop {
            let piece = filled(&mut *self.input).map_err(|source| RecordError::Read {
                path: self.path.clone(),
                line: self.line,
                source,
            })?;
            if piece.is_empty() {
                return Err(self.refused("the list is not closed (is the file cut off?)"));
            }
            let end = piece.iter().position(|&byte| nesting.ends_element(byte));
            let taken = &piece[..end.unwrap_or(piece.len())];
            bytes.extend_from_slice(taken);
            self.line += taken.iter().filter(|byte| **byte == b'\n').count();
            let mark = end.map(|at| piece[at]);
            let used = taken.len() + usize::from(mark.is_some());
            self.input.consume(used);
            if bytes.len() > LINE_BYTES_MAX {
                let message = format!(
                    "an element is longer than {} MiB (is a quote missing?)",
                    LINE_BYTES_MAX >> 20
                );
                return Err(self.refused(&message));
            }
            if let Some(mark) = mark {
                return Ok(mark);
            }
        }
    }

    /// Refuses anything but white space after the list.
    fn expect_end(&mut self) -> Result<(), RecordError> {
        let rest = skip_to_first(&mut *self.input);
        let (_, next) = rest.map_err(|source| RecordError::Read {
            path: self.path.clone(),
            line: self.line,
            source,
        })?;
        match next {
            None => Ok(()),
            Some(_) => {
                Err(self.refused("something follows the list (are these lists one after another?)"))
            }
        }
    }

    fn refused(&self, message: &str) -> RecordError {
        RecordError::Parse {
            path: self.path.clone(),
            line: self.line,
            message: format!("{message}, at element {} of the list", self.number),
        }
    }
}

/// Where in an element a byte stands.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Takes the next byte; tells whether it ends the element.
    fn ends_element(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' if self.depth > 0 => self.depth -= 1,
            b']' | b'}' => return true,
            b',' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

/// Skips a byte order mark and white space; returns the line ends passed and the next byte, which stays.
fn skip_to_first(input: &mut dyn BufRead) -> io::Result<(usize, Option<u8>)> {
    let (mut passed, mut line_ends) = (0, 0);
    loop {
        let Some(&byte) = filled(input)?.first() else {
            return Ok((line_ends, None));
        };
        let is_mark = BYTE_ORDER_MARK.get(passed) == Some(&byte);
        if !is_mark && !byte.is_ascii_whitespace() {
            return Ok((line_ends, Some(byte)));
        }
        line_ends += usize::from(byte == b'\n');
        passed += 1;
        input.consume(1);
    }
}

fn filled(input: &mut dyn BufRead) -> io::Result<&[u8]> {
    while let Err(error) = input.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    input.fill_buf()
}

//! What the variables and nets of a module look like, and how they are declared.

/// In place of a keyword: a field of a structure or a constant, of which no part is taken.
pub(super) const FIELD: &str = "field";
/// In place of a keyword: a word of a packed array.
pub(super) const PACKED_WORD: &str = "packed word";
/// In place of a keyword: a constant that has the width of a number without a size.
pub(super) const UNSIZED: &str = "unsized";

/// The type of a variable or net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A vector, or a scalar where there is no range.
    Vector { range: Option<(i32, i32)>, signed: bool, two_state: bool },
    /// A type with a keyword of its own, such as `int`.
    Word { keyword: &'static str, width: u32, signed: bool },
    /// `logic [words-1:0][width-1:0]`.
    Packed { words: u32, width: u32 },
    /// A packed structure or union: fields with their widths and signs.
    Struct { name: String, fields: Vec<(String, u32, bool)>, width: u32 },
    /// An enumeration.
    Enum { name: String, members: Vec<String>, width: u32 },
    /// An array of vectors, of one dimension or two.
    Array { dimensions: Vec<(i32, i32)>, range: (i32, i32), signed: bool },
}

/// Something that can be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) name: String,
    pub(super) shape: Shape,
}

impl Shape {
    /// A plain vector.
    pub(super) fn plain(width: u32) -> Shape {
        Shape::vector(width, false)
    }

    /// A vector that counts down to 0; one bit has no range.
    pub(super) fn vector(width: u32, signed: bool) -> Shape {
        let range = (width > 1).then_some((width as i32 - 1, 0));
        Shape::Vector { range, signed, two_state: false }
    }

    /// Bits; of an array, those of one word.
    pub(super) fn width(&self) -> u32 {
        let of = |&(left, right): &(i32, i32)| left.abs_diff(right) + 1;
        match self {
            Shape::Vector { range, .. } => range.as_ref().map_or(1, of),
            Shape::Array { range, .. } => of(range),
            Shape::Packed { words, width } => words * width,
            Shape::Word { width, .. } | Shape::Struct { width, .. } | Shape::Enum { width, .. } => {
                *width
            }
        }
    }

    pub(super) fn is_signed(&self) -> bool {
        match self {
            Shape::Vector { signed, .. }
            | Shape::Word { signed, .. }
            | Shape::Array { signed, .. } => *signed,
            Shape::Packed { .. } | Shape::Struct { .. } | Shape::Enum { .. } => false,
        }
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self, Shape::Array { .. })
    }

    /// Whether a header can declare it: types with names stand in the body.
    pub(super) fn fits_a_port(&self) -> bool {
        matches!(self, Shape::Vector { .. } | Shape::Word { .. } | Shape::Packed { .. })
    }

    /// The declaration of `name` as a variable.
    pub(super) fn variable(&self, name: &str) -> String {
        match self {
            Shape::Vector { two_state, .. } => {
                let keyword = if *two_state { "bit" } else { "logic" };
                format!("{keyword}{} {name}", self.ranges())
            }
            Shape::Word { keyword, .. } => format!("{keyword} {name}"),
            Shape::Packed { .. } => format!("logic{} {name}", self.ranges()),
            Shape::Struct { name: ty, .. } | Shape::Enum { name: ty, .. } => format!("{ty} {name}"),
            Shape::Array { dimensions, .. } => {
                let words: String =
                    dimensions.iter().map(|(left, right)| format!("[{left}:{right}]")).collect();
                format!("logic{} {name} {words}", self.ranges())
            }
        }
    }

    /// The declaration of `name` as a net of a kind; what has a name of its own becomes a vector as wide.
    pub(super) fn net(&self, kind: &str, name: &str) -> String {
        match self {
            Shape::Vector { .. } | Shape::Packed { .. } => {
                format!("{kind}{} {name}", self.ranges())
            }
            Shape::Array { dimensions, .. } => {
                let words: String =
                    dimensions.iter().map(|(left, right)| format!("[{left}:{right}]")).collect();
                format!("{kind}{} {name} {words}", self.ranges())
            }
            _ => Shape::vector(self.width(), self.is_signed()).net(kind, name),
        }
    }

    /// The sign and the ranges before the name.
    pub(super) fn ranges(&self) -> String {
        match self {
            Shape::Vector { range, signed, .. } => {
                let range = range.map_or(String::new(), |(l, r)| format!(" [{l}:{r}]"));
                format!("{}{range}", if *signed { " signed" } else { "" })
            }
            Shape::Array { range: (l, r), signed, .. } => {
                format!("{} [{l}:{r}]", if *signed { " signed" } else { "" })
            }
            Shape::Packed { words, width } => format!(" [{}:0][{}:0]", words - 1, width - 1),
            _ => Shape::vector(self.width(), self.is_signed()).ranges(),
        }
    }
}

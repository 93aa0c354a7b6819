//! Left sides: where an assignment writes.
//!
//! `a[i][j].m` becomes one offset from the lowest bit of the variable, or of the memory's word. Where an inner index can leave its
//! dimension the offset becomes one that no vector has, so that nothing is written (IEEE 1800-2017, 7.4.6 and 11.5.1).

use sv_lang::Expression;
use sv_lang::kinds::{ExpressionKind, SymbolKind};

use super::super::program::{Memory, MemoryId, OpKind, PowerUp, Slot, Target};
use super::expression::type_of;
use super::select::{INDEX_WIDTH, Offset, selected_from};
use super::{Lowered, Lowering, Storage, Unsupported, width_of};

/// An offset that no vector has.
const NOWHERE: i64 = i64::MIN / 2;

/// Where a value goes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Bits of a variable.
    Bits { variable: Slot, part: Part },
    /// Bits of a word of a memory.
    Word { memory: MemoryId, index: Slot, word_width: u32, part: Part },
    /// An array as a whole.
    Array { memory: MemoryId, dimensions: Vec<(i64, i64)> },
    /// Side by side, the first one highest.
    Concat(Vec<Place>),
}

/// Bits from an offset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    fixed: i64,
    computed: Option<Slot>,
    pub(super) width: u32,
}

impl Part {
    /// The lowest bit of a part that is fixed and lies within a vector of so many bits.
    pub(super) fn fixed_within(self, whole: u32) -> Option<u32> {
        let end = self.fixed.checked_add(i64::from(self.width))?;
        let inside = self.computed.is_none() && self.fixed >= 0 && end <= i64::from(whole);
        inside.then_some(self.fixed as u32)
    }
}

impl Place {
    /// A variable as a whole.
    pub(super) fn whole(variable: Slot, width: u32) -> Place {
        Place::Bits { variable, part: Part { fixed: 0, computed: None, width } }
    }

    /// Bits of a variable from one on, which may not exist.
    pub(super) fn from_bit(variable: Slot, lsb: i64, width: u32) -> Place {
        Place::Bits { variable, part: Part { fixed: lsb, computed: None, width } }
    }

    /// Another part of the same variable or word.
    fn with_part(mut self, other: Part) -> Place {
        if let Place::Bits { part, .. } | Place::Word { part, .. } = &mut self {
            *part = other;
        }
        self
    }

    fn width(&self) -> u64 {
        match self {
            Place::Bits { part, .. } | Place::Word { part, .. } => u64::from(part.width),
            Place::Array { .. } => 0,
            Place::Concat(places) => places.iter().map(Place::width).sum(),
        }
    }
}

impl<'d> Lowering<'d> {
    pub(super) fn place(&mut self, left: Expression<'d>) -> Lowered<Place> {
        self.enter()?;
        let place = self.place_inside(left);
        self.leave();
        place
    }

    fn place_inside(&mut self, left: Expression<'d>) -> Lowered<Place> {
        match left.kind() {
            ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => self.named(left),
            ExpressionKind::Concatenation => {
                let operands = left.operands();
                let places = operands.into_iter().map(|operand| self.place(operand));
                Ok(Place::Concat(places.collect::<Lowered<_>>()?))
            }
            ExpressionKind::ElementSelect
            | ExpressionKind::RangeSelect
            | ExpressionKind::MemberAccess => {
                let from = selected_from(left)?;
                if type_of(from)?.canonical().is_unpacked_array() {
                    let (memory, index) = self.word(left)?;
                    let width = width_of(type_of(left)?)?;
                    let part = Part { fixed: 0, computed: None, width };
                    return Ok(Place::Word { memory, index, word_width: width, part });
                }
                self.part_of(left, from)
            }
            kind => Err(Unsupported::new(format!("a left side of kind {kind:?}"))),
        }
    }

    fn named(&mut self, name: Expression<'d>) -> Lowered<Place> {
        let symbol = name
            .referenced_symbol()
            .filter(|symbol| {
                matches!(
                    symbol.kind(),
                    SymbolKind::Net | SymbolKind::Variable | SymbolKind::FormalArgument
                )
            })
            .ok_or_else(|| Unsupported::new("a left side that is no variable"))?;
        Ok(match self.storage(symbol)? {
            Storage::Variable(variable) => {
                let width = self.build.width(variable);
                Place::Bits { variable, part: Part { fixed: 0, computed: None, width } }
            }
            Storage::Array { memory, dimensions } => Place::Array { memory, dimensions },
        })
    }

    /// The part that a select takes of a place.
    fn part_of(&mut self, select: Expression<'d>, from: Expression<'d>) -> Lowered<Place> {
        let width = width_of(type_of(select)?)?;
        let place = self.place(from)?;
        let (outer, whole) = match &place {
            Place::Bits { variable, part } => (*part, self.build.width(*variable)),
            Place::Word { word_width, part, .. } => (*part, *word_width),
            _ => return Err(Unsupported::new("a part of a concatenation")),
        };
        let inner = self.offset(select, from)?;
        let is_whole = outer.width == whole && outer.computed.is_none();
        let part = match inner {
            Offset::Fixed(lsb) => {
                let (end, outer_end) =
                    (lsb.saturating_add(i64::from(width)), i64::from(outer.width));
                let is_inside = lsb >= 0 && end <= outer_end;
                if !is_inside && !is_whole && end > 0 && lsb < outer_end {
                    return Ok(cut_to(&place, outer, lsb..end));
                }
                let fixed =
                    if is_inside || is_whole { outer.fixed.saturating_add(lsb) } else { NOWHERE };
                Part { fixed, computed: outer.computed, width }
            }
            Offset::Computed(offset) if is_whole => self.computed_part(outer, offset, width)?,
            // A part that may cross the border of its element is written bit by bit, as far as there are bits; an element of an
            // element cannot.
            Offset::Computed(offset) if select.kind() != ExpressionKind::ElementSelect => {
                let mut bits = Vec::with_capacity(width as usize);
                for bit in (0..i64::from(width)).rev() {
                    let at = self.add_fixed(offset, bit)?;
                    let at = self.bounded(at, 1, outer.width)?;
                    bits.push(place.clone().with_part(self.computed_part(outer, at, 1)?));
                }
                return Ok(Place::Concat(bits));
            }
            Offset::Computed(offset) => {
                let offset = self.bounded(offset, width, outer.width)?;
                self.computed_part(outer, offset, width)?
            }
        };
        Ok(place.with_part(part))
    }

    /// The bits from a computed offset in a part.
    fn computed_part(&mut self, outer: Part, offset: Slot, width: u32) -> Lowered<Part> {
        let computed = match outer.computed {
            None => offset,
            Some(others) => self.build.emit(INDEX_WIDTH, OpKind::Add(others, offset))?,
        };
        Ok(Part { fixed: outer.fixed, computed: Some(computed), width })
    }

    /// The offset where the part lies inside of an element of `outer` bits, and nowhere else.
    fn bounded(&mut self, offset: Slot, width: u32, outer: u32) -> Lowered<Slot> {
        let condition = self.below(offset, u64::from(outer - width + 1))?;
        let nowhere = self.build.number(INDEX_WIDTH, NOWHERE);
        self.build.emit(INDEX_WIDTH, OpKind::Mux { condition, a: offset, b: nowhere })
    }

    /// What a place holds; bits that are not there are x.
    pub(super) fn read(&mut self, place: &Place) -> Lowered<Slot> {
        let (value, whole, part) = match place {
            Place::Bits { variable, part } => {
                (self.build.present(*variable), self.build.width(*variable), *part)
            }
            Place::Word { memory, index, word_width, part } => {
                let kind = OpKind::Read { memory: *memory, index: *index };
                (self.build.emit(*word_width, kind)?, *word_width, *part)
            }
            Place::Concat(places) => {
                let parts = places.iter().map(|place| self.read(place));
                let parts = parts.collect::<Lowered<Vec<Slot>>>()?;
                return self.build.concat(parts);
            }
            Place::Array { .. } => return Err(Unsupported::new("an array as a whole")),
        };
        match part.fixed_within(whole) {
            Some(lsb) => self.build.slice(value, lsb, part.width),
            None => {
                let offset = self.offset_slot(part)?;
                self.build.emit(part.width, OpKind::Select { a: value, offset })
            }
        }
    }

    /// Writes a value, which is as wide as the place.
    pub(super) fn write(&mut self, place: &Place, value: Slot, nonblocking: bool) -> Lowered<()> {
        match place {
            Place::Bits { variable, part } => {
                if let Some(target) = self.bits_target(*variable, *part)? {
                    let value = self.cut(*part, self.build.width(*variable), value)?;
                    self.build.store(target, value, nonblocking);
                }
                Ok(())
            }
            Place::Word { memory, index, word_width, part } => {
                let is_whole =
                    part.computed.is_none() && part.fixed == 0 && part.width == *word_width;
                let offset = if is_whole { None } else { Some(self.offset_slot(*part)?) };
                let target = Target::Word { memory: *memory, index: *index, offset };
                self.build.store(target, value, nonblocking);
                Ok(())
            }
            Place::Array { .. } => Err(Unsupported::new("an array as a whole")),
            Place::Concat(places) => {
                // All of the value is read before any of it is written.
                let mut lsb = place.width();
                let mut parts = Vec::with_capacity(places.len());
                for place in places {
                    lsb -= place.width();
                    parts.push(self.build.slice(value, lsb as u32, place.width() as u32)?);
                }
                let mut places = places.iter().zip(parts);
                places.try_for_each(|(place, part)| self.write(place, part, nonblocking))
            }
        }
    }

    /// The bits of a value that lie inside of the variable, for a part at a fixed place.
    fn cut(&mut self, part: Part, whole: u32, value: Slot) -> Lowered<Slot> {
        if part.computed.is_some() {
            return Ok(value);
        }
        let cut = (-part.fixed).max(0) as u32;
        let end = (part.fixed + i64::from(part.width)).min(i64::from(whole));
        self.build.slice(value, cut, (end - part.fixed.max(0)) as u32)
    }

    fn bits_target(&mut self, variable: Slot, part: Part) -> Lowered<Option<Target>> {
        let whole = self.build.width(variable);
        if part.computed.is_some() {
            let offset = self.offset_slot(part)?;
            return Ok(Some(Target::Select { variable, offset }));
        }
        let end = part.fixed.saturating_add(i64::from(part.width));
        if part.fixed >= i64::from(whole) || end <= 0 {
            return Ok(None);
        }
        if part.fixed <= 0 && end >= i64::from(whole) {
            return Ok(Some(Target::Whole(variable)));
        }
        Ok(Some(Target::Part { variable, lsb: part.fixed.max(0) as u32 }))
    }

    fn offset_slot(&mut self, part: Part) -> Lowered<Slot> {
        match part.computed {
            Some(computed) => self.add_fixed(computed, part.fixed),
            None => Ok(self.build.number(INDEX_WIDTH, part.fixed)),
        }
    }

    /// Assigns to a memory as a whole: a pattern of its elements, or another memory of as many words.
    pub(super) fn fill(
        &mut self,
        memory: MemoryId,
        dimensions: &[(i64, i64)],
        value: Expression<'d>,
        nonblocking: bool,
    ) -> Lowered<()> {
        let words = self.words(value, dimensions)?;
        for (index, word) in (0..).zip(words) {
            let index = self.build.number(INDEX_WIDTH, self.word_of(dimensions, index));
            self.build.store(Target::Word { memory, index, offset: None }, word, nonblocking);
        }
        Ok(())
    }

    /// Gives each word of a memory what it holds at power-up.
    pub(super) fn empty(&mut self, memory: MemoryId) -> Lowered<()> {
        let Memory { width, words, power_up, .. } = self.build.memories[memory as usize];
        if u64::from(words) > WORDS_WRITTEN_OUT_MAX {
            return Err(Unsupported::new("an automatic array of many words"));
        }
        self.made_anew.push(memory);
        let value = match power_up {
            PowerUp::Zero => self.build.number(width, 0),
            _ => self.build.unknown(width),
        };
        for index in 0..i64::from(words) {
            let index = self.build.number(INDEX_WIDTH, index);
            self.build.store(Target::Word { memory, index, offset: None }, value, false);
        }
        Ok(())
    }

    /// The words of an array value, from the left-most index on.
    fn words(&mut self, value: Expression<'d>, dimensions: &[(i64, i64)]) -> Lowered<Vec<Slot>> {
        if dimensions.is_empty() {
            return Ok(vec![self.value(value)?]);
        }
        let count: u64 = dimensions.iter().map(|&(l, r)| l.abs_diff(r) + 1).product();
        if count > WORDS_WRITTEN_OUT_MAX {
            return Err(Unsupported::new("an array as a whole, with many words"));
        }
        match value.kind() {
            ExpressionKind::SimpleAssignmentPattern
            | ExpressionKind::StructuredAssignmentPattern
            | ExpressionKind::ReplicatedAssignmentPattern => {
                let elements = value.pattern_elements();
                let mut words = Vec::new();
                for element in elements {
                    words.extend(self.words(element, &dimensions[1..])?);
                }
                Ok(words)
            }
            ExpressionKind::NamedValue | ExpressionKind::HierarchicalValue => {
                let symbol = value
                    .referenced_symbol()
                    .ok_or_else(|| Unsupported::new("a name that refers to nothing"))?;
                let Storage::Array { memory, dimensions } = self.storage(symbol)? else {
                    return Err(Unsupported::new("an array as a whole"));
                };
                let width = self.build.memories[memory as usize].width;
                (0..count)
                    .map(|index| {
                        let word = self.word_of(&dimensions, index as i64);
                        let index = self.build.number(INDEX_WIDTH, word);
                        self.build.emit(width, OpKind::Read { memory, index })
                    })
                    .collect()
            }
            _ => Err(Unsupported::new("an array as a whole")),
        }
    }

    /// The word that stands at a position counted from the left-most indices on.
    fn word_of(&self, dimensions: &[(i64, i64)], position: i64) -> i64 {
        let (mut rest, mut word, mut scale) = (position, 0, 1);
        for &(left, right) in dimensions.iter().rev() {
            let size = left.abs_diff(right) as i64 + 1;
            let at = rest % size;
            rest /= size;
            word += scale * if left <= right { at } else { size - 1 - at };
            scale *= size;
        }
        word
    }
}

/// A part at fixed bits of an element, of which some are not there: they go nowhere.
fn cut_to(place: &Place, outer: Part, bits: std::ops::Range<i64>) -> Place {
    let border = i64::from(outer.width);
    let inside = bits.start.max(0)..bits.end.min(border);
    let piece = |fixed: i64, width: i64| {
        place.clone().with_part(Part { fixed, computed: outer.computed, width: width as u32 })
    };
    let pieces = [
        (NOWHERE, bits.end - inside.end),
        (outer.fixed.saturating_add(inside.start), inside.end - inside.start),
        (NOWHERE, inside.start - bits.start),
    ];
    let there = pieces.into_iter().filter(|&(_, width)| width > 0);
    Place::Concat(there.map(|(fixed, width)| piece(fixed, width)).collect())
}

/// Words of an array that is assigned as a whole, at most: each is an operation.
const WORDS_WRITTEN_OUT_MAX: u64 = 4096;

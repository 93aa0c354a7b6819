//! Selects: bits, parts, members and words of what an expression gives.
//!
//! A select of a value becomes the offset of its lowest bit. Each level of `a[i][j].m` is taken from the value of the
//! level before it, so that an index that leaves its own dimension gives x, and not bits of a neighbour. Indices are
//! 64 bits wide and signed from here on; one of more bits is not lowered.

use sv_lang::kinds::ExpressionKind;
use sv_lang::{Expression, Type};

use super::super::expression::constant;
use super::super::program::{MemoryId, OpKind, Slot};
use super::expression::{is_signed, type_of};
use super::{Lowered, Lowering, Storage, Unsupported, width_of};

/// Bits of an index.
pub(super) const INDEX_WIDTH: u32 = 64;

/// More elements than any vector has, and few enough that their bits can be counted.
const FAR: i64 = 1 << 32;

/// `slang::ast::RangeSelectionKind`.
const SIMPLE: u32 = 0;
const UP: u32 = 1;

/// Where a select begins in the vector that it selects from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    /// At this bit, which may not exist.
    Fixed(i64),
    /// At the bit that this slot says, 64 bits, signed.
    Computed(Slot),
}

/// The indices of a vector's elements, and how wide each is.
#[derive(Clone, Copy, Debug)]
struct Elements {
    left: i64,
    right: i64,
    width: u32,
}

impl Elements {
    fn is_descending(self) -> bool {
        self.left >= self.right
    }
}

impl<'d> Lowering<'d> {
    pub(super) fn select(&mut self, expression: Expression<'d>) -> Lowered<Slot> {
        let width = width_of(type_of(expression)?)?;
        let from = selected_from(expression)?;
        if type_of(from)?.canonical().is_unpacked_array() {
            return self.read_word(expression, width);
        }
        if !type_of(from)?.is_integral() {
            return Err(Unsupported::new(super::class_of(type_of(from)?.canonical())));
        }
        let value = self.value(from)?;
        let offset = self.offset(expression, from)?;
        match offset {
            Offset::Fixed(lsb) => {
                let whole = self.build.width(value);
                if lsb >= 0 && lsb.saturating_add(i64::from(width)) <= i64::from(whole) {
                    let part = self.build.slice(value, lsb as u32, width)?;
                    // A member of two states in a structure of four, which may hold x there (IEEE 1800-2017, 7.2.1).
                    return self.states(part, type_of(from)?, type_of(expression)?);
                }
                let offset = self.build.number(INDEX_WIDTH, lsb);
                self.there(expression, width, OpKind::Select { a: value, offset })
            }
            Offset::Computed(offset) => {
                self.there(expression, width, OpKind::Select { a: value, offset })
            }
        }
    }

    /// What is not there reads as x, or as 0 of a type of two states (IEEE 1800-2017, 7.4.6 and 11.5.1).
    fn there(&mut self, select: Expression<'d>, width: u32, kind: OpKind) -> Lowered<Slot> {
        let value = self.build.emit(width, kind)?;
        if type_of(select)?.is_four_state() {
            return Ok(value);
        }
        self.build.emit(width, OpKind::Known(value))
    }

    /// Where the bits of a select begin in the vector that it selects from.
    pub(super) fn offset(
        &mut self,
        select: Expression<'d>,
        from: Expression<'d>,
    ) -> Lowered<Offset> {
        let ty = type_of(from)?;
        match select.kind() {
            ExpressionKind::MemberAccess => {
                let member = select
                    .member_symbol()
                    .ok_or_else(|| Unsupported::new("a member that is none"))?;
                Ok(Offset::Fixed(member.field_bit_offset() as i64))
            }
            ExpressionKind::ElementSelect => {
                let width = width_of(type_of(select)?)?;
                let elements = elements(ty, width)?;
                let index =
                    select.selector().ok_or_else(|| Unsupported::new("a select without index"))?;
                self.position(elements, index, 0)
            }
            _ => self.range_offset(select, ty),
        }
    }

    fn range_offset(&mut self, select: Expression<'d>, ty: Type<'d>) -> Lowered<Offset> {
        let (Some(left), Some(right), Some(kind)) =
            (select.range_left(), select.range_right(), select.range_selection_kind())
        else {
            return Err(Unsupported::new("a part-select without bounds"));
        };
        let range = ty.canonical();
        let count = if range.has_fixed_range() { range.fixed_range().width() } else { 1 };
        let width = (ty.bit_width() / u64::from(count.max(1))) as u32;
        let elements = elements(ty, width)?;
        if kind == SIMPLE {
            let (left, right) = (self.fixed(left)?, self.fixed(right)?);
            let low = if elements.is_descending() { left.min(right) } else { left.max(right) };
            return Ok(Offset::Fixed(position_of(elements, low)));
        }
        // The selected elements are base .. base + count - 1 going up, base - count + 1 .. base going down; the lowest bit is
        // that of the lowest index in a descending vector and of the highest in an ascending one.
        let count = self.fixed(right)?;
        let shift = match (kind == UP, elements.is_descending()) {
            (true, true) | (false, false) => 0,
            (true, false) => count - 1,
            (false, true) => 1 - count,
        };
        self.position(elements, left, shift)
    }

    /// The lowest bit of the element at `index + shift`.
    fn position(
        &mut self,
        elements: Elements,
        index: Expression<'d>,
        shift: i64,
    ) -> Lowered<Offset> {
        let signed = is_signed(index);
        let index = self.value(index)?;
        let width = self.build.width(index);
        if let Some(index) = self.build.number_of(index, signed) {
            let at = index.saturating_add(shift);
            return Ok(Offset::Fixed(position_of(elements, at)));
        }
        let index = self.index(index, signed)?;
        let place = if elements.is_descending() {
            self.add_fixed(index, shift - elements.right)?
        } else {
            let last = self.build.number(INDEX_WIDTH, elements.right - shift);
            self.build.emit(INDEX_WIDTH, OpKind::Subtract(last, index))?
        };
        // The product must not come round to an element that is there.
        let place = if elements.width > 1 && width > INDEX_WIDTH / 2 {
            self.clamped(place)?
        } else {
            place
        };
        self.times(place, elements.width).map(Offset::Computed)
    }

    /// A position that is far from all there are, as one that still has room for a factor.
    fn clamped(&mut self, place: Slot) -> Lowered<Slot> {
        let shifted = self.add_fixed(place, FAR)?;
        let condition = self.below(shifted, 2 * FAR as u64)?;
        let far = self.build.number(INDEX_WIDTH, -FAR);
        self.build.emit(INDEX_WIDTH, OpKind::Mux { condition, a: place, b: far })
    }

    /// An index as a signed number of 64 bits.
    pub(super) fn index(&mut self, index: Slot, signed: bool) -> Lowered<Slot> {
        if self.build.width(index) > INDEX_WIDTH {
            return Err(Unsupported::new("an index of more than 64 bits"));
        }
        if signed || self.build.width(index) < INDEX_WIDTH {
            return self.build.resize(index, INDEX_WIDTH, signed);
        }
        // Its largest numbers would be negative ones.
        let condition = self.below(index, FAR as u64)?;
        let far = self.build.number(INDEX_WIDTH, FAR);
        self.build.emit(INDEX_WIDTH, OpKind::Mux { condition, a: index, b: far })
    }

    pub(super) fn add_fixed(&mut self, index: Slot, number: i64) -> Lowered<Slot> {
        if number == 0 {
            return Ok(index);
        }
        let number = self.build.number(INDEX_WIDTH, number);
        self.build.emit(INDEX_WIDTH, OpKind::Add(index, number))
    }

    pub(super) fn times(&mut self, index: Slot, factor: u32) -> Lowered<Slot> {
        if factor == 1 {
            return Ok(index);
        }
        if factor.is_power_of_two() {
            let by = self.build.number(8, i64::from(factor.trailing_zeros()));
            return self.build.emit(INDEX_WIDTH, OpKind::ShiftLeft(index, by));
        }
        let factor = self.build.number(INDEX_WIDTH, i64::from(factor));
        self.build.emit(INDEX_WIDTH, OpKind::Multiply(index, factor))
    }

    /// A number that slang knows.
    pub(super) fn fixed(&mut self, expression: Expression<'d>) -> Lowered<i64> {
        if let Some(known) = constant(expression).and_then(|value| value.as_i64()) {
            return Ok(known);
        }
        let signed = is_signed(expression);
        let value = self.value(expression)?;
        let known = self.build.number_of(value, signed);
        known.ok_or_else(|| Unsupported::new("a bound that is not constant"))
    }

    /// A word of a memory.
    fn read_word(&mut self, select: Expression<'d>, width: u32) -> Lowered<Slot> {
        let (memory, index) = self.word(select)?;
        self.there(select, width, OpKind::Read { memory, index })
    }

    /// The memory of a select, and the index of its word.
    pub(super) fn word(&mut self, select: Expression<'d>) -> Lowered<(MemoryId, Slot)> {
        let mut indices = Vec::new();
        let mut inner = select;
        while inner.kind() == ExpressionKind::ElementSelect {
            let index =
                inner.selector().ok_or_else(|| Unsupported::new("a select without index"))?;
            indices.push(index);
            inner = selected_from(inner)?;
        }
        let symbol = inner
            .referenced_symbol()
            .ok_or_else(|| Unsupported::new("a word of an array that has no name"))?;
        let Storage::Array { memory, dimensions } = self.storage(symbol)? else {
            return Err(Unsupported::new("a select of an array"));
        };
        if indices.len() != dimensions.len() {
            return Err(Unsupported::new("an array as a whole"));
        }
        indices.reverse();
        self.word_index(&dimensions, &indices).map(|index| (memory, index))
    }

    /// The index of a word: -1 where one of several indices leaves its dimension.
    fn word_index(
        &mut self,
        dimensions: &[(i64, i64)],
        indices: &[Expression<'d>],
    ) -> Lowered<Slot> {
        let mut word = self.build.number(INDEX_WIDTH, 0);
        let mut all_inside: Option<Slot> = None;
        for (&(left, right), &index) in dimensions.iter().zip(indices) {
            let (low, size) = (left.min(right), left.abs_diff(right) + 1);
            let signed = is_signed(index);
            let index = self.value(index)?;
            let fits = !signed && low == 0 && size.checked_ilog2() >= Some(self.build.width(index))
                || self
                    .build
                    .number_of(index, signed)
                    .is_some_and(|index| index >= low && index.abs_diff(low) < size);
            let index = self.index(index, signed)?;
            let place = self.add_fixed(index, -low)?;
            if dimensions.len() > 1 && !fits {
                let inside = self.below(place, size)?;
                all_inside = Some(match all_inside {
                    None => inside,
                    Some(others) => self.build.emit(1, OpKind::And(others, inside))?,
                });
            }
            let size = u32::try_from(size)
                .map_err(|_| Unsupported::new("a memory larger than lanes hold"))?;
            let row = self.times(word, size)?;
            word = match self.build.number_of(row, true) {
                Some(0) => place,
                _ => self.build.emit(INDEX_WIDTH, OpKind::Add(row, place))?,
            };
        }
        let Some(condition) = all_inside else { return Ok(word) };
        let none = self.build.number(INDEX_WIDTH, -1);
        self.build.emit(INDEX_WIDTH, OpKind::Mux { condition, a: word, b: none })
    }

    /// One bit: whether a signed index is from 0 to below a size.
    pub(super) fn below(&mut self, index: Slot, size: u64) -> Lowered<Slot> {
        let size = self.build.number(INDEX_WIDTH, size as i64);
        // A negative number is a large one without its sign.
        self.build.emit(1, OpKind::Less { a: index, b: size, signed: false })
    }
}

/// What a select or member access takes from.
pub(super) fn selected_from(select: Expression<'_>) -> Lowered<Expression<'_>> {
    let from = match select.kind() {
        ExpressionKind::MemberAccess => select.operands().into_iter().next(),
        _ => select.select_value(),
    };
    from.ok_or_else(|| Unsupported::new("a select of nothing"))
}

fn elements(ty: Type<'_>, width: u32) -> Lowered<Elements> {
    let ty = ty.canonical();
    if !ty.has_fixed_range() {
        return Err(Unsupported::new("a select of a type without range"));
    }
    let range = ty.fixed_range();
    Ok(Elements { left: i64::from(range.left), right: i64::from(range.right), width })
}

/// The lowest bit of the element of an index, which may lie outside.
fn position_of(elements: Elements, index: i64) -> i64 {
    let place = if elements.is_descending() {
        index.saturating_sub(elements.right)
    } else {
        elements.right.saturating_sub(index)
    };
    place.saturating_mul(i64::from(elements.width))
}

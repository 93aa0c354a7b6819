//! One value of four states by itself: the operands and results of the operations that are done lane by lane.

/// Little-endian words of both planes; bits above the width are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    pub value: Vec<u64>,
    pub unknown: Vec<u64>,
    pub width: u32,
}

/// Words that hold so many bits.
pub(super) fn limbs(width: u32) -> usize {
    width.div_ceil(64) as usize
}

/// The bits of limb `limb` that a value of this width has.
pub(super) fn limb_mask(width: u32, limb: usize) -> u64 {
    let bits = u64::from(width).saturating_sub(64 * limb as u64);
    if bits >= 64 { !0 } else { (1 << bits) - 1 }
}

/// 64 bits from bit `lsb` of a plane, 0 where there are none.
pub(super) fn bits_at(plane: &[u64], lsb: u32) -> u64 {
    let (limb, shift) = ((lsb / 64) as usize, lsb % 64);
    let low = plane.get(limb).copied().unwrap_or(0) >> shift;
    let high = if shift == 0 { 0 } else { plane.get(limb + 1).map_or(0, |w| w << (64 - shift)) };
    low | high
}

/// Copies `count` bits from bit `from` of `source` to bit `to` of `target`, all of which exist.
pub(super) fn copy_bits(target: &mut [u64], to: u32, source: &[u64], from: u32, count: u32) {
    let mut done = 0;
    while done < count {
        let (limb, shift) = (((to + done) / 64) as usize, (to + done) % 64);
        let chunk = (64 - shift).min(count - done);
        let mask = limb_mask(chunk, 0) << shift;
        let bits = bits_at(source, from + done) << shift;
        target[limb] = target[limb] & !mask | bits & mask;
        done += chunk;
    }
}

impl Number {
    /// Makes it 0 of this width.
    pub fn clear(&mut self, width: u32) {
        self.width = width;
        for plane in [&mut self.value, &mut self.unknown] {
            plane.clear();
            plane.resize(limbs(width), 0);
        }
    }

    /// Makes all bits x.
    pub fn fill_unknown(&mut self) {
        self.value.fill(0);
        self.unknown.fill(!0);
        self.trim();
    }

    /// Clears the bits above the width.
    pub fn trim(&mut self) {
        let top = self.value.len() - 1;
        self.value[top] &= limb_mask(self.width, top);
        self.unknown[top] &= limb_mask(self.width, top);
    }

    /// Whether any bit is x or z.
    pub fn is_unknown(&self) -> bool {
        self.unknown.iter().any(|&word| word != 0)
    }

    /// Whether all bits are known and 0.
    pub fn is_zero(&self) -> bool {
        self.value.iter().all(|&word| word == 0) && !self.is_unknown()
    }

    /// The highest bit, of the value plane.
    pub fn sign(&self) -> bool {
        bits_at(&self.value, self.width - 1) & 1 == 1
    }

    /// Sets a result of one bit.
    pub fn set_bool(&mut self, bit: Option<bool>) {
        self.value[0] = u64::from(bit == Some(true));
        self.unknown[0] = u64::from(bit.is_none());
    }

    /// A signed number of at most 64 bits; nothing where a bit is unknown.
    pub fn index(&self) -> Option<i64> {
        let spare = 64 - self.width;
        (!self.is_unknown()).then(|| (self.value[0] << spare).cast_signed() >> spare)
    }

    /// An unsigned number if it is below `bound`.
    pub fn below(&self, bound: u32) -> Option<u32> {
        let is_low = self.value[1..].iter().all(|&word| word == 0);
        (is_low && self.value[0] < u64::from(bound)).then_some(self.value[0] as u32)
    }
}

//! `nom-packrat` is an extension of [nom](https://docs.rs/nom) to apply "Packrat Parsing".
//!
//! ## Examples
//!
//! The following example show a quick example.
//!
//! ```
//! use nom::character::complete::char;
//! use nom::IResult;
//! use nom_packrat::{init, packrat_parser, storage};
//!
//! // Declare storage used by packrat_parser
//! storage!(String);
//!
//! // Apply packrat_parser by custom attribute
//! #[packrat_parser]
//! pub fn parser(s: &str) -> IResult<&str, String> {
//!     let (s, x) = char('a')(s)?;
//!     Ok((s, x.to_string()))
//! }
//!
//! fn main() {
//!     let input = "a";
//!
//!     // Initialize before parsing
//!     init!();
//!     let result = parser(input);
//!
//!     println!("{:?}", result);
//! }
//! ```

extern crate nom_packrat_macros;
#[doc(inline)]
pub use nom_packrat_macros::packrat_parser;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Initialize packrat storage
///
/// This must be called before each parsing.
/// If this is not called, the parse result may be wrong.
#[macro_export]
macro_rules! init {
    () => {
        crate::PACKRAT_STORAGE.with(|storage| storage.borrow_mut().clear())
    };
}

/// Declare packrat storage
///
/// # Arguments
/// * An output type of parser. The type must implement `Clone`.
/// * (Optional) An extra key type. The type must implement `Eq + Hash + Clone`.
/// * (Optional) Maximum entries of storage.
///
/// # Examples
///
/// ```compile_fail
/// storage!(String);
/// storage!(String, 1024);
/// storage!(String, ExtraInfo);
/// storage!(String, ExtraInfo, 1024);
/// ```
#[macro_export]
macro_rules! storage {
    ($t:ty) => {
        thread_local!(
            pub(crate) static PACKRAT_STORAGE: core::cell::RefCell<
                nom_packrat::PackratStorage<$t, ()>
            > = {
                core::cell::RefCell::new(nom_packrat::PackratStorage::new(None))
            }
        );
    };
    ($t:ty, $u:ty) => {
        thread_local!(
            pub(crate) static PACKRAT_STORAGE: core::cell::RefCell<
                nom_packrat::PackratStorage<$t, $u>
            > = {
                core::cell::RefCell::new(nom_packrat::PackratStorage::new(None))
            }
        );
    };
    ($t:ty, $n:expr) => {
        thread_local!(
            pub(crate) static PACKRAT_STORAGE: core::cell::RefCell<
                nom_packrat::PackratStorage<$t, ()>
            > = {
                core::cell::RefCell::new(nom_packrat::PackratStorage::new(Some($n)))
            }
        );
    };
    ($t:ty, $u:ty, $n:expr) => {
        thread_local!(
            pub(crate) static PACKRAT_STORAGE: core::cell::RefCell<
                nom_packrat::PackratStorage<$t, $u>
            > = {
                core::cell::RefCell::new(nom_packrat::PackratStorage::new(Some($n)))
            }
        );
    };
}

/// What is remembered of rules at places; of a limited number, the oldest make room.
pub struct PackratStorage<T, U> {
    size: Option<usize>,
    map: HashMap<Key<U>, Option<Box<(T, usize)>>, BuildHasherDefault<KeyHasher>>,
    keys: VecDeque<Key<U>>,
}

/// A rule, a place, and more that the result depends on.
type Key<U> = (&'static str, *const u8, U);

impl<T, U> PackratStorage<T, U>
where
    U: Eq + Hash + Clone,
{
    pub fn new(size: Option<usize>) -> Self {
        let init_size = size.unwrap_or(0);
        PackratStorage {
            size,
            map: HashMap::with_capacity_and_hasher(init_size, BuildHasherDefault::default()),
            keys: VecDeque::with_capacity(init_size),
        }
    }

    pub fn get(&self, key: &Key<U>) -> Option<Option<&(T, usize)>> {
        self.map.get(key).map(Option::as_deref)
    }

    pub fn insert(&mut self, key: Key<U>, value: Option<(T, usize)>) {
        if let Some(size) = self.size {
            if self.keys.len() > size - 1 {
                let key = self.keys.pop_front().unwrap();
                self.map.remove(&key);
            }
        }

        self.keys.push_back(key.clone());
        self.map.insert(key, value.map(Box::new));
    }

    pub fn clear(&mut self) {
        self.map.clear();
        self.keys.clear();
    }
}

/// Multiplies and rotates, eight bytes at a time.
#[derive(Default)]
pub struct KeyHasher(u64);

impl KeyHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.add(word as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes its index from the lower bits, which the last multiplication mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

pub trait HasExtraState<T> {
    fn get_extra_state(&self) -> T;
}

impl HasExtraState<()> for &str {
    fn get_extra_state(&self) -> () {
        ()
    }
}

impl HasExtraState<()> for &[u8] {
    fn get_extra_state(&self) -> () {
        ()
    }
}

impl<T> HasExtraState<()> for nom_locate::LocatedSpan<T, ()> {
    fn get_extra_state(&self) -> () {
        ()
    }
}

impl<T, U, V> HasExtraState<T> for nom_locate::LocatedSpan<U, V>
where
    V: HasExtraState<T>,
{
    fn get_extra_state(&self) -> T {
        self.extra.get_extra_state()
    }
}

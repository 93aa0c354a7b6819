//! A table with a limit: when it is full, what was not asked for lately makes room.
//!
//! It is the clock, or second chance, algorithm: entries stand in a queue; one that was asked for since its
//! last turn goes to the end again, another is dropped.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Entries whose weights come to no more than a limit.
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: HashMap<K, Entry<V>>,
    queue: VecDeque<K>,
    weight: usize,
    weight_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    asked: bool,
}

impl<K: Copy + Eq + Hash, V: Clone> Recent<K, V> {
    /// An empty table for entries of `weight_max` in all.
    pub fn new(weight_max: usize) -> Self {
        Recent { entries: HashMap::new(), queue: VecDeque::new(), weight: 0, weight_max }
    }

    /// The value of `key`, if it is still there.
    pub fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        entry.asked = true;
        Some(entry.value.clone())
    }

    /// Adds an entry, unless `key` has one; others make room.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        if self.entries.contains_key(&key) {
            return;
        }
        while self.weight + weight > self.weight_max
            && let Some(oldest) = self.queue.pop_front()
        {
            self.pass(oldest);
        }
        self.entries.insert(key, Entry { value, weight, asked: false });
        self.queue.push_back(key);
        self.weight += weight;
    }

    fn pass(&mut self, key: K) {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.asked => {
                entry.asked = false;
                self.queue.push_back(key);
            }
            _ => self.weight -= self.entries.remove(&key).map_or(0, |entry| entry.weight),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_what_is_asked_for_stays() {
        let mut table = Recent::new(10);
        for key in 0..1000 {
            table.insert(key, key * 2, 2);
            assert_eq!(table.get(&0), Some(0), "asked for each time, after {key}");
            assert!(table.weight <= 10 && table.entries.len() == table.queue.len());
        }
        assert_eq!(table.get(&999), Some(1998));
        assert_eq!(table.get(&500), None);
    }

    #[test]
    fn an_entry_heavier_than_the_limit_stands_alone() {
        let mut table = Recent::new(10);
        table.insert(1, 'a', 3);
        table.insert(2, 'b', 20);
        assert_eq!((table.get(&1), table.get(&2)), (None, Some('b')));
        table.insert(3, 'c', 1);
        assert_eq!((table.get(&2), table.get(&3)), (None, Some('c')), "no turn helps it");
        table.insert(4, 'd', 1);
        assert_eq!(table.weight, table.entries.values().map(|entry| entry.weight).sum::<usize>());
    }
}

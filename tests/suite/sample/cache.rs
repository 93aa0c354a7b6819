//! The cache of keys and values: its logits are those of the whole text, whoever else is in it.

use salv::model::kv_cache::{Attention, KvCache, ROWS};
use salv::model::{Pass, Qwen2, lora::Lora};
use tch::{Kind, Tensor};

use super::super::model::{FP32, MODELS, assert_close, fixtures, one_thread};
use super::{Bench, load};

/// Tokens without a pattern.
fn tokens(count: usize, seed: u32, vocabulary: u32) -> Vec<u32> {
    (0..count as u32)
        .map(|at| (at + 1).wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 7)
        .map(|token| token % vocabulary)
        .collect()
}

/// The logits after each token from the last of the prompt on, of a text in a slot of a cache.
fn generated(
    model: &Qwen2,
    (slots, slot, attention): (usize, usize, Attention),
    text: &[u32],
    prompt: usize,
    company: &[usize],
) -> Vec<Vec<f32>> {
    let vocabulary = model.config().vocab_size as u32;
    let mut cache = KvCache::new(model, slots, 512, attention);
    for (other, length) in company.iter().enumerate().filter(|(other, _)| *other != slot) {
        let prompt = tokens(*length, other as u32, vocabulary);
        let prefix = model.prefill(&[&prompt], Pass::Policy);
        cache.enter(other, &prefix[0]).expect("room");
    }
    let prefix = model.prefill(&[&text[..prompt]], Pass::Policy);
    cache.enter(slot, &prefix[0]).expect("room");
    let mut logits = vec![prefix[0].logits.clone()];
    for (step, token) in text[prompt..].iter().enumerate() {
        // The others go on too, but for one that leaves and one that waits.
        let mut next: Vec<Option<u32>> = (0..slots)
            .map(|other| (other < company.len() && other != 2).then_some(step as u32 % vocabulary))
            .collect();
        next[slot] = Some(*token);
        if step == 3 && slot != 1 && company.len() > 1 {
            cache.leave(1);
        }
        let mut of_slots = model.step(&mut cache, &next, Pass::Policy).expect("a step");
        logits.push(of_slots[slot].take().expect("logits"));
        assert!(of_slots.iter().zip(&next).all(|(one, next)| next.is_some() || one.is_none()));
    }
    logits
}

#[test]
fn cached_logits_are_those_of_the_whole_text() {
    one_thread();
    for name in MODELS {
        let folder = fixtures().join(name);
        let mut model = Qwen2::load(&folder, FP32).expect("a model");
        Lora::load(&folder.join("adapter"), &mut model).expect("an adapter");
        let text = tokens(40, 3, 64);
        let ids: Vec<i64> = text.iter().map(|id| i64::from(*id)).collect();
        let expected = model.logits(&Tensor::from_slice(&ids).unsqueeze(0), Pass::Policy).get(0);
        for attention in [Attention::Alone, Attention::Masked] {
            let found = generated(&model, (4, 3, attention), &text, 7, &[5, 30, 11]);
            for (at, logits) in found.iter().enumerate() {
                let what = format!("{name} {attention:?} after {} tokens", at + 7);
                assert_close(
                    &what,
                    &Tensor::from_slice(logits),
                    &expected.get(6 + at as i64),
                    1e-5,
                );
            }
        }
    }
}

#[test]
fn a_cache_that_grows_keeps_what_it_has() {
    let bench = Bench::new();
    let (model, _) = load(&bench.path("model"), Kind::Float);
    let text = tokens(263, 9, 400);
    let ids: Vec<i64> = text.iter().map(|id| i64::from(*id)).collect();
    let expected = model.logits(&Tensor::from_slice(&ids).unsqueeze(0), Pass::Policy).get(0);
    let found = generated(&model, (2, 0, Attention::Alone), &text, 250, &[]);
    let found = Tensor::from_slice(&found.concat()).view([14, 400]);
    assert_close("over the end of a piece", &found, &expected.narrow(0, 249, 14), 3e-5);
}

/// The promise on which the sameness of candidates stands, in both precisions.
#[test]
fn logits_are_the_same_bits_in_any_company() {
    let bench = Bench::new();
    for kind in [Kind::Float, Kind::BFloat16] {
        let (model, _) = load(&bench.path("model"), kind);
        let text = tokens(45, 4, 400);
        let alone = generated(&model, (1, 0, Attention::Alone), &text, 6, &[]);
        let places = [
            (3, 2, vec![6, 6]),
            (8, 5, vec![6, 9, 31, 6, 6, 7, 12, 90]),
            (8, 0, vec![3, 100, 3, 3, 6, 6, 6, 6]),
            (ROWS as usize + 3, ROWS as usize + 1, vec![20; ROWS as usize + 3]),
        ];
        for (slots, slot, company) in places {
            let place = (slots, slot, Attention::Alone);
            let found = generated(&model, place, &text, 6, &company);
            for (at, (found, alone)) in found.iter().zip(&alone).enumerate() {
                let is_same = found.iter().zip(alone).all(|(x, y)| x.to_bits() == y.to_bits());
                assert!(is_same, "{kind:?}: slot {slot} of {slots} differs at step {at}");
            }
        }
    }
}

#[test]
fn prompts_that_are_packed_are_read_as_alone() {
    let bench = Bench::new();
    let (model, _) = load(&bench.path("model"), Kind::Float);
    let prompts = [tokens(9, 1, 400), tokens(1, 2, 400), tokens(30, 3, 400)];
    let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    for (prefix, prompt) in model.prefill(&slices, Pass::Policy).iter().zip(&slices) {
        let alone = model.prefill(&[prompt], Pass::Policy);
        let [found, alone] = [prefix, &alone[0]].map(|prefix| Tensor::from_slice(&prefix.logits));
        assert_close("packed", &found, &alone, 1e-5);
    }
}

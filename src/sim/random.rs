//! A small seeded generator (SplitMix64), so that a seed reproduces a market on every machine.
//!
//! Must not know what its numbers are used for.

use super::exact::Fixed;

/// Generator state.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// About normal with mean 0 and deviation 1: twelve uniforms of nine decimals, less six.
    pub(crate) fn normal(&mut self) -> Fixed {
        const BILLION: u64 = 1_000_000_000;
        let sum: u64 = (0..12).map(|_| self.next() % BILLION).sum();
        let sum = i64::try_from(sum).unwrap_or_default();
        Fixed::new(sum - 6_000_000_000, 9)
    }

    /// Whether something with this chance, a fraction, happens.
    pub(crate) fn happens(&mut self, chance: Fixed) -> bool {
        let drawn = i64::try_from(self.next() % 1_000_000_000).unwrap_or_default();
        Fixed::new(drawn, 9) < chance
    }

    /// Letters and digits.
    pub(crate) fn text(&mut self, length: usize) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let count = LETTERS.len() as u64;
        (0..length)
            .filter_map(|_| LETTERS.get(usize::try_from(self.next() % count).ok()?))
            .map(|letter| char::from(*letter))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_of_seed_zero_are_the_published_ones() {
        // Reference output of SplitMix64 for seed 0.
        let mut random = Random::new(0);
        assert_eq!(random.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(random.next(), 0x06C4_5D18_8009_454F);
    }
}

//! What can be made to go wrong with a memory log, and when.

/// What befalls one append.
///
/// All but [`Fault::Duplicate`] and [`Fault::Corrupt`] stay within the contract of [`EventLog`](crate::log::EventLog):
/// the caller is told the truth, which is that it cannot know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The unit is stored (or refused), and the answer never arrives.
    LostAck,
    /// The unit never arrives, nor does an answer.
    LostSend,
    /// No answer arrives, and the unit does so only after this many later appends. Its conditions are checked then.
    Delay(u32),
    /// The unit is stored and acknowledged, and arrives again after this many later appends; its conditions are
    /// checked again. **Violates the contract**, as a transport that resends on its own would.
    Duplicate(u32),
    /// An ordered unit of several records is stored up to here (counted from 1, at most all but the last), then the
    /// answer is missing. Others are not affected.
    Interrupt(u32),
    /// The connection breaks with the unit on its way: whether it is stored is drawn, no answer arrives, and the log
    /// stays unreachable until [`MemoryLog::reconnect`](super::MemoryLog::reconnect).
    Disconnect,
    /// The unit is stored and acknowledged with one bit of its first payload turned. **Violates the contract**, as a
    /// disk does.
    Corrupt,
}

/// How often which fault befalls an append; drawn from a seed, so that the same appends meet the same faults.
///
/// At most one fault befalls an append; the odds add up, and what is beyond 1,000 never happens. The default has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Where the draws begin.
    pub seed: u64,
    /// [`Fault::LostAck`], in a thousand appends.
    pub lost_acks_per_mille: u16,
    /// [`Fault::LostSend`], in a thousand appends.
    pub lost_sends_per_mille: u16,
    /// [`Fault::Delay`], in a thousand appends.
    pub delays_per_mille: u16,
    /// [`Fault::Duplicate`], in a thousand appends.
    pub duplicates_per_mille: u16,
    /// [`Fault::Interrupt`], in a thousand appends.
    pub interrupts_per_mille: u16,
    /// [`Fault::Disconnect`], in a thousand appends.
    pub disconnects_per_mille: u16,
    /// [`Fault::Corrupt`], in a thousand appends.
    pub corruptions_per_mille: u16,
    /// Most later appends that a delayed or duplicated unit lets pass; 0 counts as 1.
    pub max_delay_appends: u32,
}

impl FaultPlan {
    /// Returns what befalls the next append, of so many records. Draws the same number of times whatever comes out.
    pub(super) fn draw(&self, random: &mut Random, records: usize) -> Option<Fault> {
        let (dice, size) = (random.below(1_000), random.next());
        let delay = 1 + within(size, u64::from(self.max_delay_appends.max(1)));
        let prefix = 1 + within(size, (records as u64).saturating_sub(1).max(1));
        let mut reached = 0;
        let faults = [
            (self.lost_acks_per_mille, Fault::LostAck),
            (self.lost_sends_per_mille, Fault::LostSend),
            (self.delays_per_mille, Fault::Delay(delay)),
            (self.duplicates_per_mille, Fault::Duplicate(delay)),
            (self.interrupts_per_mille, Fault::Interrupt(prefix)),
            (self.disconnects_per_mille, Fault::Disconnect),
            (self.corruptions_per_mille, Fault::Corrupt),
        ];
        let fault = faults.into_iter().find(|(odds, _)| {
            reached += u64::from(*odds);
            dice < reached
        });
        fault.map(|(_, fault)| fault)
    }
}

fn within(draw: u64, below: u64) -> u32 {
    u32::try_from(draw % below.max(1)).unwrap_or(u32::MAX - 1)
}

/// The SplitMix64 generator (Steele, Lea and Flood 2014): the same numbers on every platform and in every release.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number below `bound`; 0 where that is 0. The bias is far below what a test could notice.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn per_mille(&mut self, odds: u16) -> bool {
        self.below(1_000) < u64::from(odds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first outputs for seed 0 of the reference generator.
        let mut random = Random::seeded(0);
        assert_eq!(random.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.next(), 0x6E78_9E6A_A1B9_65F4);
    }

    #[test]
    fn faults_come_about_as_often_as_planned() {
        let plan = FaultPlan {
            seed: 7,
            lost_acks_per_mille: 100,
            delays_per_mille: 50,
            max_delay_appends: 3,
            ..FaultPlan::default()
        };
        let mut random = Random::seeded(plan.seed);
        let drawn: Vec<_> = (0..10_000).filter_map(|_| plan.draw(&mut random, 1)).collect();
        let lost = drawn.iter().filter(|fault| **fault == Fault::LostAck).count();
        assert!((800..1_200).contains(&lost), "{lost}");
        let delayed = drawn.iter().filter(|f| matches!(f, Fault::Delay(1..=3))).count();
        assert!((350..650).contains(&delayed), "{delayed}");
        assert_eq!(lost + delayed, drawn.len());
    }
}

//! Subjects that were read lately: in a log most come again soon, and a name that was read before is shared.

use super::{Address, Kind, Subject, SubjectError, unescape};

/// How many subjects are remembered.
const REMEMBERED: usize = 256;

/// Reads subjects and remembers the last ones.
#[derive(Debug, Clone, Default)]
pub struct RecentSubjects {
    /// Each in the place that its text before the last token tells. As many as there is use for.
    places: Vec<Option<Remembered>>,
}

#[derive(Debug, Clone)]
struct Remembered {
    stem: String,
    last: String,
    address: Address,
}

impl RecentSubjects {
    /// Reads the address of a subject; the same as [`Subject::parse`].
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn address(&mut self, subject: &str) -> Result<Address, SubjectError> {
        let (stem, last) = subject.rsplit_once('.').unwrap_or((subject, ""));
        // Authors and types differ, and the lengths of both.
        let mix = |mix: usize, byte| mix.wrapping_mul(31).wrapping_add(usize::from(byte));
        let place = stem.bytes().fold(0, mix) % REMEMBERED;
        if let Some(Some(known)) = self.places.get(place)
            && known.stem == stem
            && let Some(address) = known.with(last)
        {
            return Ok(address);
        }
        let Subject { space: _, address } = Subject::parse(subject)?;
        let (stem, last) = (stem.to_owned(), last.to_owned());
        let remembered = Remembered { stem, last, address: address.clone() };
        if self.places.len() <= place {
            self.places.resize(place + 1, None);
        }
        if let Some(place) = self.places.get_mut(place) {
            *place = Some(remembered);
        }
        Ok(address)
    }
}

impl Remembered {
    /// Returns the address with another last token, where that is known to be an event's entity.
    fn with(&self, last: &str) -> Option<Address> {
        if self.last == last {
            return Some(self.address.clone());
        }
        let Address::Lane { lane, kind: Kind::Event { ty, .. } } = &self.address else {
            return None;
        };
        let entity = unescape(last)?.map(|name| name.parse()).transpose().ok()?;
        Some(Address::Lane { lane: lane.clone(), kind: Kind::Event { ty: ty.clone(), entity } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_the_same_however_often_and_between_others() {
        let mut recent = RecentSubjects::default();
        let subjects: Vec<String> = (0..40)
            .map(|n| format!("colony.lab.ada.main.event.task.claimed.{n}"))
            .chain((0..40).map(|n| format!("colony.lab.agent-{n}.main.event.task.done.7")))
            .chain(
                ["event.a.b._", "event.a.b.a=20b", "event.a._.c", "mail.bob.a.b", "mail.bob.a.c"]
                    .map(|rest| format!("colony.lab.ada.main.{rest}")),
            )
            .chain(
                ["cursor", "doc.a", "doc.b", "effect.call"]
                    .map(|rest| format!("colony.lab.ada.main.{rest}")),
            )
            .chain(["colony.lab._._.head.a.b".to_owned(), "colony.lab._._.head.a.c".to_owned()])
            .collect();
        for _ in 0..3 {
            for subject in &subjects {
                let address = Subject::parse(subject).unwrap().address;
                assert_eq!(recent.address(subject), Ok(address.clone()));
                assert_eq!(recent.address(subject), Ok(address));
            }
            for wrong in
                ["", ".", "colony.lab.ada.main.nothing", "colony.lab.ada.main.event.task.claimed."]
            {
                assert_eq!(
                    recent.address(wrong),
                    Subject::parse(wrong).map(|subject| subject.address)
                );
                assert!(recent.address(wrong).is_err());
            }
            for end in ["=zz", "=41", "a b", "a.b", "*", ">", "=C3"] {
                let wrong = format!("colony.lab.ada.main.event.task.claimed.{end}");
                assert_eq!(
                    recent.address(&wrong),
                    Subject::parse(&wrong).map(|subject| subject.address)
                );
                assert!(recent.address(&wrong).is_err());
            }
        }
    }
}

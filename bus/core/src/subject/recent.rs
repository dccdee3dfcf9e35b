//! Subjects that were read lately: in a log most come again soon, and a name that was read before is shared.

use super::{Address, Subject, SubjectError};

/// How many subjects are remembered.
const REMEMBERED: usize = 16;

/// Reads subjects and remembers the last ones.
#[derive(Debug, Clone, Default)]
pub struct RecentSubjects {
    /// Each in the place that its text tells.
    places: [Option<(String, Address)>; REMEMBERED],
}

impl RecentSubjects {
    /// Reads the address of a subject; the same as [`Subject::parse`].
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn address(&mut self, subject: &str) -> Result<Address, SubjectError> {
        // The ends of subjects differ most.
        let end = subject.bytes().rev().take(4);
        let sum = end.fold(subject.len(), |sum, byte| sum.wrapping_add(usize::from(byte)));
        let Some(place) = self.places.get_mut(sum % REMEMBERED) else {
            return Subject::parse(subject).map(|subject| subject.address);
        };
        match place {
            Some((known, address)) if known == subject => Ok(address.clone()),
            Some(_) | None => {
                let Subject { space: _, address } = Subject::parse(subject)?;
                *place = Some((subject.to_owned(), address.clone()));
                Ok(address)
            }
        }
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
            .chain(["colony.lab.ada.main.cursor".to_owned(), "colony.lab._._.head.a.b".to_owned()])
            .collect();
        for _ in 0..3 {
            for subject in &subjects {
                let address = Subject::parse(subject).unwrap().address;
                assert_eq!(recent.address(subject), Ok(address.clone()));
                assert_eq!(recent.address(subject), Ok(address));
            }
            assert!(recent.address("colony.lab.ada.main.nothing").is_err());
            assert!(recent.address("").is_err());
        }
    }
}

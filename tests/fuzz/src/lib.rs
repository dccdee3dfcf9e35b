//! What the fuzz targets share: how they are run, and documents to begin with.
//!
//! A target is a [`target!`] of a closure that takes bytes. With the feature `libfuzzer` libFuzzer runs it, guided by what
//! code an input reaches; without, it is run on random bytes, which needs no C++ compiler.

mod documents;
#[cfg(not(feature = "libfuzzer"))]
mod random;

pub use documents::{base, chunk, patched, someone_elses};
#[cfg(feature = "libfuzzer")]
pub use libfuzzer_sys;
#[cfg(not(feature = "libfuzzer"))]
pub use random::run;

/// Makes the program of a target.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! target {
    (|$input:ident| $body:block) => {
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::tell_panics(), |$input: &[u8]| $body);
    };
}

/// Makes the program of a target.
#[cfg(not(feature = "libfuzzer"))]
#[macro_export]
macro_rules! target {
    (|$input:ident| $body:block) => {
        fn main() -> std::process::ExitCode {
            $crate::tell_panics();
            $crate::run(|$input: &[u8]| $body)
        }
    };
}

/// Lets the code under test catch panics of the library below it, where libFuzzer would end the run at once. One that is
/// not caught still ends it.
pub fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
}

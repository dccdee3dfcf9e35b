//! Free local ports.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the range that systems take the ports of outgoing connections from, so that a server that
/// is stopped for a while finds its port free again.
const FIRST: u16 = 11_000;
const LAST: u16 = 31_999;

/// Picks distinct ports on the loopback address that are free at this moment.
///
/// Another process may take one before it is used; whoever uses them must be ready to pick again.
pub(crate) fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let span = LAST - FIRST + 1;
    let random = RandomState::new().build_hasher().finish();
    let start = u16::try_from(random % u64::from(span)).unwrap_or_default();
    // All are held until all are found.
    let held: Vec<TcpListener> = (0..span)
        .map(|step| FIRST + (start + step) % span)
        .filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .take(count)
        .collect();
    if held.len() < count {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_distinct_and_free() {
        let mut ports = free_ports(9).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 9);
        assert!(ports.iter().all(|port| (FIRST..=LAST).contains(port)));
    }
}

//! Networks of addresses.

use std::{net::IpAddr, str::FromStr};

use super::PatternError;

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    network: IpAddr,
    bits: u32,
}

impl Cidr {
    /// Whether a text is an address of this network.
    pub(super) fn has(&self, text: &str) -> bool {
        match (self.network, text.parse()) {
            (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                same(u128::from(network.to_bits()), u128::from(address.to_bits()), 32 - self.bits)
            }
            (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                same(network.to_bits(), address.to_bits(), 128 - self.bits)
            }
            _ => false,
        }
    }
}

/// Whether two addresses are the same but for their last `host` bits.
fn same(network: u128, address: u128, host: u32) -> bool {
    (network ^ address).checked_shr(host).unwrap_or(0) == 0
}

impl FromStr for Cidr {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if !bits.contains('/') => (address, bits),
            _ => return Err(PatternError::new("Malformed CIDR, one '/' required")),
        };
        let bits: u32 =
            bits.parse().map_err(|_| PatternError::new("Malformed CIDR, mask bits must be an integer"))?;
        let network: IpAddr =
            address.parse().map_err(|_| PatternError::new(format!("Nonstandard IP address: {address}")))?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        if bits > most {
            return Err(PatternError::new(format!("Malformed CIDR, mask bits must be 0 to {most}")));
        }
        Ok(Self { network, bits })
    }
}

//! `Network`: the addresses that a setting trusts.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// What a text that is not a network is told to be.
const WANTED: &str = "use an address, or a network such as \"10.0.0.0/8\" or \"fd00::/8\"";

/// An IP address, or a network: its first address, and the number of bits that all its addresses share.
///
/// ```
/// use pixie_server::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains([10, 1, 2, 3].into()) && !network.contains([11, 0, 0, 1].into()));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

impl Network {
    /// Returns whether an address belongs to the network. An IPv4 address may be written as IPv6.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.first.is_ipv4() == ip.is_ipv4() && first(ip, self.bits) == self.first
    }
}

impl FromStr for Network {
    type Err = String;

    /// Parses an address, or a network such as `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// Returns what is wrong and the fix.
    fn from_str(text: &str) -> Result<Network, String> {
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| format!("this is not a network: {WANTED}"))?;
        let bits_max = if ip.is_ipv4() { 32 } else { 128 };
        let number = |text: &str| Some(text).filter(|text| !text.starts_with(['+', '0']) || *text == "0")?.parse().ok();
        let bits = match bits.map(number) {
            None => bits_max,
            Some(Some(bits)) if bits <= bits_max => bits,
            Some(_) => return Err(format!("the number after the slash must be from 0 to {bits_max}: {WANTED}")),
        };
        if ip.to_canonical() != ip {
            return Err(format!("write the address as IPv4: {}", ip.to_canonical()));
        }
        let first = first(ip, bits);
        match first == ip {
            true => Ok(Network { first, bits }),
            false => Err(format!(
                "the network of this address is \"{first}/{bits}\": use that, or \"{ip}\" for the address alone"
            )),
        }
    }
}

/// Returns the first address of the network of an address: only its first bits stay.
fn first(ip: IpAddr, bits: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into(),
    }
}

//! Who a client is, and how many connections each client has.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Leaves of an IPv6 address what its owner cannot choose: providers give each customer a network of 64 bits.
const NETWORK_MASK: u128 = !0 << 64;

/// Who limits and queues count as one client: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// Returns the client at an address.
    pub fn of(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V6(address) => Client(Ipv6Addr::from_bits(address.to_bits() & NETWORK_MASK).into()),
            address => Client(address),
        }
    }

    /// Returns a number that no other client has, for a queue in which clients take turns.
    pub fn number(self) -> u64 {
        match self.0 {
            IpAddr::V4(address) => address.to_bits().into(),
            // The other bits are 0. No network of clients has a number as small as an IPv4 address.
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        }
    }

    /// Returns the client of a connection. Returns `None` for a loopback address: a proxy there stands for
    /// many clients.
    pub(crate) fn at(address: IpAddr) -> Option<Client> {
        (!address.to_canonical().is_loopback()).then(|| Client::of(address))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of connections of each client that has any.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<HashMap<Client, usize>>);

/// One connection of a client, counted until this value is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    client: Client,
    clients: Arc<Clients>,
}

impl Clients {
    pub(crate) fn count(&self, client: Client) -> usize {
        self.lock().get(&client).copied().unwrap_or(0)
    }

    pub(crate) fn enter(self: &Arc<Clients>, client: Client) -> Counted {
        *self.lock().entry(client).or_default() += 1;
        Counted { client, clients: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.clients.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Option<Client> {
        Client::at(address.parse().expect("it is an address"))
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_64_bits() {
        assert_eq!(client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::9"));
        assert_ne!(client("2001:db8:0:1::1"), client("2001:db8:0:2::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!((client("127.0.0.9"), client("::1"), client("::ffff:127.0.0.1")), (None, None, None));
        let number = |address: &str| Client::of(address.parse().expect("it is an address")).number();
        assert_eq!(number("2001:db8:0:1::1"), number("2001:db8:0:1:ffff::9"));
        assert_ne!(number("2001:db8:0:1::1"), number("2001:db8:0:2::1"));
        assert_eq!(number("::ffff:192.0.2.1"), number("192.0.2.1"));
        assert_ne!(number("127.0.0.1"), number("127.0.0.2"));
    }

    #[test]
    fn a_client_without_connections_is_forgotten() {
        let clients = Arc::new(Clients::default());
        let client = client("192.0.2.1").expect("it is not loopback");
        let (first, second) = (clients.enter(client), clients.enter(client));
        assert_eq!(clients.count(client), 2);
        drop((first, second));
        assert!(clients.lock().is_empty());
    }
}

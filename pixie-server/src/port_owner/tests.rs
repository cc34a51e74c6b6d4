//! The `/proc/net/tcp` table is read as text; `tests/server/listener.rs` covers the search in `/proc`.

use super::listening_inodes;

const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 41516 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F40 0100007F:D3A2 01 00000000:00000000 00:00000000 00000000  1000        0 41601 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1200 1 0000000000000000 100 0 0 10 0
";

#[test]
fn only_a_listening_socket_owns_its_port() {
    assert_eq!(listening_inodes(TABLE, 8000).collect::<Vec<_>>(), ["41516"]);
    assert_eq!(listening_inodes(TABLE, 22).collect::<Vec<_>>(), ["1200"]);
    assert_eq!(listening_inodes(TABLE, 80).count(), 0);
}

#[test]
fn a_malformed_table_has_no_owner() {
    assert_eq!(listening_inodes("header\n\n x\n 0: a b\n", 8000).count(), 0);
}

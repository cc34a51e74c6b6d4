"""Prints how many cases sslyze has checked and how many have passed, and the others to standard error.

Usage: sslyze_cases.py JSON_FILE TEXT_FILE
"""

import json
import sys

report, text = sys.argv[1:]
with open(report) as file:
    [server] = json.load(file)["server_scan_results"]
scan = {name: attempt["result"] for name, attempt in server["scan_result"].items() if attempt["result"]}


def version(name):
    return bool(scan[name + "_cipher_suites"]["accepted_cipher_suites"])


with open(text) as file:
    is_compliant = "OK - Compliant" in file.read()
cases = {
    "SSL 2.0 is refused": not version("ssl_2_0"),
    "SSL 3.0 is refused": not version("ssl_3_0"),
    "TLS 1.0 is refused": not version("tls_1_0"),
    "TLS 1.1 is refused": not version("tls_1_1"),
    "TLS 1.2 is accepted": version("tls_1_2"),
    "TLS 1.3 is accepted": version("tls_1_3"),
    "Heartbleed": not scan["heartbleed"]["is_vulnerable_to_heartbleed"],
    "ROBOT": scan["robot"]["robot_result"].startswith("NOT_VULNERABLE"),
    "OpenSSL CCS injection": not scan["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"],
    "CRIME: no compression": not scan["tls_compression"]["supports_compression"],
    "no renegotiation by clients": not scan["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"],
    "secure renegotiation": scan["session_renegotiation"]["supports_secure_renegotiation"],
    "fallback SCSV": scan["tls_fallback_scsv"]["supports_fallback_scsv"],
    "extended master secret": scan["tls_extended_master_secret"]["supports_ems_extension"],
    "no early data, which can be replayed": not scan["tls_1_3_early_data"]["supports_early_data"],
    "Mozilla's profile": is_compliant,
}
for name in (name for name, passed in cases.items() if not passed):
    print(f"sslyze: {name}: not passed", file=sys.stderr)
print(len(cases), sum(cases.values()))

//! Keys and passwords: true to their formats, and good for nothing.

use data_encoding::BASE64;

use super::Page;
use crate::mark::Place;

impl Page<'_> {
    /// An unencrypted Ed25519 key as in OpenSSH's `PROTOCOL.key`. The two halves do not belong
    /// together.
    pub(super) fn ssh_key(&mut self) -> String {
        let (public, private, check) =
            (self.draw.bytes(32), self.draw.bytes(32), self.draw.bytes(4));
        let comment = self.mark(Place::Secret);
        let public_blob = [ssh_string(b"ssh-ed25519"), ssh_string(&public)].concat();
        let mut secret = [check.as_slice(), &check, &public_blob].concat();
        secret.extend(ssh_string(&[private, public].concat()));
        secret.extend(ssh_string(comment.as_bytes()));
        // Filled up to a multiple of 8 with 1, 2, 3 and so on.
        let missing = secret.len().next_multiple_of(8).saturating_sub(secret.len());
        secret.extend((1_u8..).take(missing));
        let key = [
            b"openssh-key-v1\0".to_vec(),
            ssh_string(b"none"),
            ssh_string(b"none"),
            ssh_string(b""),
            vec![0, 0, 0, 1],
            ssh_string(&public_blob),
            ssh_string(&secret),
        ]
        .concat();
        armoured("OPENSSH PRIVATE KEY", &key, 70)
    }

    /// An RSA key of PKCS #1 with random numbers in it. The exponents hide a mark.
    pub(super) fn pem_key(&mut self) -> String {
        let mark = self.mark(Place::Secret);
        let mut numbers = vec![vec![0], self.draw.bytes(256), vec![1, 0, 1], self.draw.bytes(256)];
        numbers.extend((0..4).map(|_| self.draw.bytes(128)));
        numbers.push(mark.into_bytes());
        let body: Vec<u8> = numbers.iter().flat_map(|number| der(2, &positive(number))).collect();
        armoured("RSA PRIVATE KEY", &der(0x30, &body), 64)
    }

    pub(super) fn environment(&mut self) -> String {
        let (database, secret, token) =
            (self.word(), self.mark(Place::Secret), self.mark(Place::Literal));
        format!(
            "# {}\nDATABASE_URL=postgres://{database}:{}@db.{database}.example/{database}\n\
             SECRET_KEY={secret}\nAPI_TOKEN={token}\nDEBUG=0\n",
            self.sentence(),
            self.draw.hex(24)
        )
    }

    pub(super) fn kubeconfig(&mut self) -> String {
        let (cluster, token) = (self.word(), self.mark(Place::Secret));
        let authority = BASE64.encode(&self.draw.bytes(300));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {cluster}\nclusters:\n- name: {cluster}\n  \
             cluster:\n    server: https://k8s.{cluster}.example:6443\n    \
             certificate-authority-data: {authority}\ncontexts:\n- name: {cluster}\n  context:\n    \
             cluster: {cluster}\n    user: admin\nusers:\n- name: admin\n  user:\n    token: {token}\n"
        )
    }

    pub(super) fn cloud_credentials(&mut self) -> String {
        let mut text = String::new();
        for (name, place) in [("default", Place::Secret), ("backup", Place::Literal)] {
            let id = self.draw.letters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16);
            let secret = BASE64.encode(&self.draw.bytes(30));
            let token = self.mark(place);
            text.push_str(&format!(
                "[{name}]\naws_access_key_id = AKIA{id}\naws_secret_access_key = {secret}\n\
                 aws_session_token = {token}\n\n"
            ));
        }
        text
    }

    pub(super) fn shell_history(&mut self) -> String {
        let count = self.draw.between(60, 200);
        let mut text = format!("export TOKEN={}\n", self.mark(Place::Head));
        for number in 0..count {
            let (word, other) = (self.word(), self.word());
            let command = match self.draw.below(7) {
                0 => format!("cd projects/{word}"),
                1 => format!("git commit -m \"{}\"", self.sentence()),
                2 => format!("ssh {word}@{other}.example"),
                3 => format!("grep -rn {word} ."),
                4 => "ls -la".to_owned(),
                5 => format!("vim {word}.txt"),
                _ => format!("cp {word}.txt {other}.txt"),
            };
            text.push_str(&command);
            text.push('\n');
            if number == count / 2 {
                let secret = self.mark(Place::Secret);
                text.push_str(&format!("curl -u {word}:{secret} https://{other}.example/\n"));
            }
        }
        text
    }
}

/// RFC 4251 §5.
fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    [length.as_slice(), bytes].concat()
}

/// X.690 §8.1, for contents below 64 KiB.
fn der(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match (high, low) {
        (0, 0..128) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, contents.to_vec()].concat()
}

/// A number whose first bit is set needs a zero before it, or it would be negative.
fn positive(number: &[u8]) -> Vec<u8> {
    let zero: &[u8] = if number.first().is_some_and(|byte| *byte >= 128) { &[0] } else { &[] };
    [zero, number].concat()
}

fn armoured(name: &str, bytes: &[u8], width: usize) -> String {
    let digits = BASE64.encode(bytes);
    let mut text = format!("-----BEGIN {name}-----\n");
    for line in digits.as_bytes().chunks(width) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {name}-----\n")
}

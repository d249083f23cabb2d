//! The profile of a browser: history, cookies, saved passwords, in the tables of Firefox.

use data_encoding::BASE64;

use super::Page;
use crate::format::sqlite::{Table, Value, database};

impl Page<'_> {
    pub(super) fn places(&mut self) -> Vec<u8> {
        let count = self.draw.between(150, 600);
        let (mut places, mut visits, mut bookmarks) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..count {
            let path = self.cell(number, count).replace(' ', "-");
            let url = format!("https://{}.example/{path}", self.word());
            let (title, time, seen) = (self.title(), self.time(), self.draw.below(40));
            let micros = i64::from(time).saturating_mul(1_000_000);
            let key = i64::from(number).saturating_add(1);
            places.push(vec![
                Value::Null,
                Value::Text(url),
                Value::Text(title.clone()),
                Value::Integer(seen.into()),
                Value::Integer(micros),
            ]);
            visits.push(vec![Value::Null, Value::Integer(key), Value::Integer(micros)]);
            if self.draw.one_in(10) {
                bookmarks.push(vec![Value::Null, Value::Integer(key), Value::Text(title)]);
            }
        }
        database(&[
            Table { name: "moz_places", sql: PLACES, rows: places },
            Table { name: "moz_historyvisits", sql: VISITS, rows: visits },
            Table { name: "moz_bookmarks", sql: BOOKMARKS, rows: bookmarks },
        ])
    }

    pub(super) fn cookies(&mut self) -> Vec<u8> {
        let count = self.draw.between(40, 200);
        let cookie = |number| {
            let value = self.cell(number, count).replace(' ', "%20");
            let (name, host, expiry) = (self.word(), self.word(), self.time());
            vec![
                Value::Null,
                Value::Text(name),
                Value::Text(value),
                Value::Text(format!(".{host}.example")),
                Value::Text("/".to_owned()),
                Value::Integer(i64::from(expiry).saturating_add(100_000_000)),
            ]
        };
        let rows = (0..count).map(cookie).collect();
        database(&[Table { name: "moz_cookies", sql: COOKIES, rows }])
    }

    pub(super) fn logins(&mut self) -> String {
        let count = self.draw.between(4, 20);
        let login = |number: u32| {
            let (host, field) = (self.word(), self.cell(number, count));
            let [user, password] = [(); 2].map(|()| BASE64.encode(&self.draw.bytes(58)));
            format!(
                "{{\"id\":{},\"hostname\":\"https://{host}.example\",\"usernameField\":\"{field}\",\
                 \"encryptedUsername\":\"{user}\",\"encryptedPassword\":\"{password}\"}}",
                number.saturating_add(1)
            )
        };
        let logins: Vec<String> = (0..count).map(login).collect();
        format!("{{\"nextId\":{},\"logins\":[{}],\"version\":3}}", logins.len(), logins.join(","))
    }
}

const PLACES: &str = "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, \
                      title LONGVARCHAR, visit_count INTEGER, last_visit_date INTEGER)";
const VISITS: &str = "CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, place_id INTEGER, \
                      visit_date INTEGER)";
const BOOKMARKS: &str =
    "CREATE TABLE moz_bookmarks (id INTEGER PRIMARY KEY, fk INTEGER, title LONGVARCHAR)";
const COOKIES: &str = "CREATE TABLE moz_cookies (id INTEGER PRIMARY KEY, name TEXT, value TEXT, \
                       host TEXT, path TEXT, expiry INTEGER)";

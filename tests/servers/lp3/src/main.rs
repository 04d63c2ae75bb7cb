//! Reads line protocol on stdin as InfluxDB 3 does, and prints a JSON object for each line: a point, or `error`.

use influxdb_line_protocol::{parse_lines, FieldValue, ParsedLine};
use std::io::Read;

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

fn value(field: &FieldValue<'_>) -> String {
    match field {
        FieldValue::I64(number) => number.to_string(),
        FieldValue::U64(number) => number.to_string(),
        FieldValue::F64(number) => format!("{number:?}"),
        FieldValue::Boolean(yes) => yes.to_string(),
        FieldValue::String(text) => quoted(text),
    }
}

fn point(line: &ParsedLine<'_>) -> String {
    let tags = line.series.tag_set.iter().flatten();
    let tags: Vec<_> = tags.map(|(key, text)| format!("{}:{}", quoted(key), quoted(text))).collect();
    let fields = line.field_set.iter();
    let fields: Vec<_> = fields.map(|(key, field)| format!("{}:{}", quoted(key), value(field))).collect();
    format!(
        r#"{{"measurement":{},"tags":{{{}}},"fields":{{{}}},"time_ns":{}}}"#,
        quoted(&line.series.measurement),
        tags.join(","),
        fields.join(","),
        line.timestamp.map_or(String::from("null"), |time| time.to_string()),
    )
}

fn main() {
    let mut data = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut data) {
        println!(r#"{{"error":{}}}"#, quoted(&error.to_string()));
        return;
    }
    for line in parse_lines(&data) {
        match line {
            Ok(line) => println!("{}", point(&line)),
            Err(error) => println!(r#"{{"error":{}}}"#, quoted(&error.to_string())),
        }
    }
}

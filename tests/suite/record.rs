//! JSON lines in and out, and what happens when something is wrong with them.

use std::io::Write;
use std::path::{Path, PathBuf};

use salv::record::{Ahead, Meta, RecordError, ShardOf, Writer, content_hash, meta_path, read};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
}

fn row(name: &str) -> Row {
    Row { name: name.to_owned() }
}

fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("rows.jsonl");
    std::fs::write(&path, bytes).expect("a file");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Returns the names with their row numbers and lines.
fn names(path: &Path) -> Result<Vec<(usize, usize, String)>, RecordError> {
    read::<Row>(path)?.map(|row| row.map(|row| (row.number, row.line, row.value.name))).collect()
}

#[track_caller]
fn check(bytes: &[u8], expect: &[(usize, usize, &str)]) {
    let folder = folder();
    let found = names(&file(&folder, bytes)).expect("rows");
    let expect: Vec<_> =
        expect.iter().map(|(number, line, name)| (*number, *line, (*name).to_owned())).collect();
    assert_eq!(found, expect);
}

#[track_caller]
fn refuse(bytes: &[u8], expect: &[&str]) {
    let folder = folder();
    let error = names(&file(&folder, bytes)).expect_err("an error").to_string();
    for part in expect {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("gzip")
}

#[test]
fn rows_are_read_in_every_dress() {
    check(b"{\"name\":\"a\"}\n{\"name\":\"b\"}", &[(0, 1, "a"), (1, 2, "b")]);
    check(
        b"\xef\xbb\xbf{\"name\":\"a\",\"x\":1}\r\n\r\n  \n{\"name\":\"b\"}\r\n",
        &[(0, 1, "a"), (1, 4, "b")],
    );
    check(b"", &[]);
    check(b"{\"name\":\"\xff\xc3\"}\n", &[(0, 1, "\u{fffd}\u{fffd}")]);
    check(
        br#"{"name":"\ud800x\udc00\\ud800 \ud83d\ude00"}"#,
        &[(0, 1, "\u{fffd}x\u{fffd}\\ud800 😀")],
    );
    let mut two_members = gzip(b"{\"name\":\"a\"}\n{\"na");
    two_members.extend(gzip(b"me\":\"b\"}\n"));
    check(&two_members, &[(0, 1, "a"), (1, 2, "b")]);
}

#[test]
fn errors_name_the_line_and_the_cure() {
    refuse(b"{\"name\":\"a\"}\n\n{\"nam\":\"b\"}\n", &["rows.jsonl:3", "missing field `name`"]);
    refuse(b"{\"name\":\"a\"}\n{\"name\":", &["rows.jsonl:2", "cut off"]);
    refuse(b"[{\"name\":\"a\"}]", &["rows.jsonl:1", "JSON list"]);
    refuse(b"module top;\n", &["rows.jsonl:1", "must be a JSON object"]);
    refuse(b"\xff\xfe{\0", &["UTF-16"]);
    let whole = gzip(&b"{\"name\":\"abc\"}\n".repeat(1000));
    refuse(&whole[..whole.len() / 2], &["damaged or cut off"]);
    let missing = read::<Row>(Path::new("no/such.jsonl")).err().expect("an error").to_string();
    assert!(missing.contains("no/such.jsonl"), "{missing}");
}

#[test]
fn a_bad_row_does_not_hide_the_next() {
    let folder = folder();
    let path = file(&folder, b"{}\n{\"name\":\"b\"}\n");
    let rows: Vec<_> = read::<Row>(&path).expect("open").collect();
    assert!(rows[0].is_err());
    assert_eq!(rows[1].as_ref().expect("a row").value, row("b"));
}

#[test]
fn a_line_without_end_is_told_apart() {
    let folder = folder();
    let path = folder.path().join("zeros.gz");
    // 80 MiB of zeros in 80 KiB: what a file that is no JSON lines file may look like.
    std::fs::write(&path, gzip(&vec![b'0'; 80 << 20])).expect("a file");
    let error = names(&path).expect_err("an error");
    assert!(matches!(error, RecordError::LineTooLong { line: 1, .. }), "{error}");
}

fn meta() -> Meta {
    let mut meta = Meta::new("verify", json!({ "vectors": 1000, "backend": "lanes" }));
    meta.seed = Some(1);
    meta.inputs.insert("problems.jsonl".to_owned(), content_hash(b"x"));
    meta
}

/// Writes rows `from..to` as one run would, killed before the end if `torn` says what it left.
fn run(path: &Path, resume: bool, to: usize, torn: &[u8]) -> usize {
    let (mut writer, there) = Writer::create(path, &meta(), resume).expect("a writer");
    for index in there..to {
        writer.write(&row(&format!("row {index} é"))).expect("a row");
    }
    writer.finish().expect("all rows");
    if !torn.is_empty() {
        std::fs::OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(torn))
            .expect("a tear");
    }
    there
}

#[test]
fn a_resumed_run_gives_the_same_bytes() {
    let folder = folder();
    let (whole, torn) = (folder.path().join("whole.jsonl"), folder.path().join("torn.jsonl"));
    run(&whole, false, 5, b"");
    assert_eq!(run(&torn, true, 2, b"{\"name\":\"row 2 \xc3"), 0);
    assert_eq!(run(&torn, true, 4, b""), 2);
    assert_eq!(run(&torn, true, 5, b""), 4);
    assert_eq!(run(&torn, true, 5, b""), 5);
    let bytes = |path: &Path| std::fs::read(path).expect("a file");
    assert_eq!(bytes(&whole), bytes(&torn));
    assert_eq!(bytes(&meta_path(&whole)), bytes(&meta_path(&torn)));
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("the folder").count(),
        4,
        "nothing else is left there"
    );
    // A torn first row is a torn row too.
    std::fs::write(&torn, b"{\"na").expect("a tear");
    assert_eq!(run(&torn, true, 5, b""), 0);
    assert_eq!(bytes(&whole), bytes(&torn));
}

#[test]
fn without_resume_the_file_starts_anew() {
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    run(&path, false, 5, b"");
    assert_eq!(run(&path, false, 1, b""), 0);
    assert_eq!(names(&path).expect("rows").len(), 1);
}

#[test]
fn another_configuration_is_no_continuation() {
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    run(&path, false, 2, b"");
    let refuse = |meta: &Meta, key: &str| {
        let error = Writer::create(&path, meta, true).expect_err("an error").to_string();
        assert!(error.contains(key), "{key:?} is not in {error:?}");
        assert!(error.contains("without --resume"), "{error}");
    };
    refuse(&Meta { seed: Some(2), ..meta() }, "seed = 1, this run has 2");
    let mut other = Meta::new("verify", json!({ "vectors": 2000, "backend": "lanes" }));
    (other.seed, other.inputs) = (meta().seed, meta().inputs);
    refuse(&other, "configuration.vectors = 1000, this run has 2000");
    let mut other = meta();
    other.inputs.insert("problems.jsonl".to_owned(), content_hash(b"y"));
    refuse(&other, "inputs.problems.jsonl");
    assert_eq!(names(&path).expect("rows").len(), 2, "nothing was lost");

    std::fs::remove_file(meta_path(&path)).expect("removed");
    refuse(&meta(), "rows.jsonl.meta.json is missing");
}

/// Rows that cannot be continued: the file of an earlier run stays until all of them are there.
#[test]
fn a_whole_file_takes_its_place_at_the_end() {
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    run(&path, false, 3, b"");
    let other = Meta { seed: Some(2), ..meta() };
    let both = || [path.clone(), meta_path(&path)].map(|path| std::fs::read(path).expect("a file"));
    let before = both();
    let mut writer = Writer::create_whole(&path, &other).expect("a writer");
    writer.write(&row("new")).expect("a row");
    writer.flush().expect("written");
    assert_eq!(both(), before, "not yet");
    assert!(matches!(Writer::create_whole(&path, &other), Err(RecordError::Busy { .. })));
    drop(writer);
    assert_eq!(both(), before, "a run that fails leaves what was there");
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 2, "and no more");

    let mut writer = Writer::create_whole(&path, &other).expect("a writer");
    writer.write(&row("new")).expect("a row");
    writer.finish().expect("finished");
    let rows = names(&path).expect("rows");
    assert_eq!(rows.into_iter().map(|(.., name)| name).collect::<Vec<_>>(), ["new"]);
    let meta: Meta = serde_json::from_slice(&both()[1]).expect("provenance");
    assert_eq!(meta.seed, Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 2);
}

#[test]
fn a_link_stays_one_and_its_file_is_replaced() {
    let folder = folder();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    std::fs::write(&file, "old").expect("a file");
    std::os::unix::fs::symlink("file", &link).expect("a link");
    salv::record::replace(&link, b"new").expect("replaced");
    assert!(std::fs::symlink_metadata(&link).expect("it is there").is_symlink());
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "new");
    // What is no file is written, and not replaced.
    salv::record::replace(Path::new("/dev/null"), b"gone").expect("written");
    assert!(!std::fs::metadata("/dev/null").expect("it is there").is_file());
}

#[test]
fn the_order_of_settings_does_not_matter() {
    let (one, other) = (
        Meta::new("x", json!({"a": 1, "b": {"c": 2, "d": 3}})),
        Meta::new("x", json!({"b": {"d": 3, "c": 2}, "a": 1})),
    );
    assert_eq!(one.configuration_hash, other.configuration_hash);
    assert_ne!(one.configuration_hash, Meta::new("x", json!({"a": 2})).configuration_hash);
}

#[test]
fn a_full_disk_is_an_error_with_the_path() {
    // A device that is always full; where there is none, another test has to do.
    if !Path::new("/dev/full").exists() {
        return;
    }
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).expect("a link");
    let (mut writer, _) = Writer::create(&path, &meta(), false).expect("a writer");
    writer.write(&row("a")).expect("kept in memory");
    let error = writer.flush().expect_err("no space").to_string();
    assert!(error.contains("rows.jsonl") && error.contains("space"), "{error}");

    let error = Writer::create(&folder.path().join("no/rows.jsonl"), &meta(), false)
        .expect_err("no folder");
    assert!(error.to_string().contains("no/rows.jsonl"), "{error}");
    let error = Writer::create(&folder.path().join("rows.jsonl.gz"), &meta(), false)
        .expect_err("a compressed name");
    assert!(error.to_string().contains("without .gz"), "{error}");
}

#[test]
fn rows_before_their_turn_wait_beside_the_file() {
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    let beside = folder.path().join("rows.jsonl.ahead");
    let open = |done, resume| Ahead::open::<Row>(&path, &meta(), done, resume).expect("a file");
    let kept = |done| open(done, true).1.into_iter().map(|(row, value)| (row, value.name));
    let (mut ahead, rows) = open(0, false);
    assert!(rows.is_empty() && !beside.exists(), "no file before there is a row");
    for number in [3, 1, 2, 3] {
        ahead.keep(number, &row(&number.to_string())).expect("kept");
    }
    ahead.settle(1).expect("handed on");
    assert_eq!(
        (ahead.len(), std::fs::read_to_string(&beside).expect("rows").lines().count()),
        (3, 4)
    );
    let all = [(1, "1".to_owned()), (2, "2".to_owned()), (3, "3".to_owned())];
    assert_eq!(kept(0).collect::<Vec<_>>(), all);
    // Rows that the output has are dropped; a torn end and zeros are no rows.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(b"\0\0\0\n{\"row\":4,\"value\":{\"name\":\"4\"}}\n{\"row\":5,\"val")
        })
        .expect("a tear");
    assert_eq!(kept(3).collect::<Vec<_>>(), [(3, "3".to_owned()), (4, "4".to_owned())]);
    // Rows of another run, or of one that starts anew, are nobody's.
    let other = Meta { seed: Some(9), ..meta() };
    assert!(Ahead::open::<Row>(&path, &other, 0, true).expect("a file").1.is_empty());
    assert!(!beside.exists());
}

#[test]
fn the_file_of_waiting_rows_does_not_grow_with_the_run() {
    let folder = folder();
    let path = folder.path().join("rows.jsonl");
    let beside = folder.path().join("rows.jsonl.ahead");
    let (mut ahead, _) = Ahead::open::<Row>(&path, &meta(), 0, false).expect("a file");
    let mut largest = 0;
    for number in 0..50_000 {
        ahead.keep(number + 10, &row("x")).expect("kept");
        ahead.settle(number).expect("handed on");
        largest = largest.max(std::fs::metadata(&beside).expect("a file").len());
    }
    assert!(largest < 5_000 * 40, "{largest} bytes for ten rows that wait");
    ahead.remove().expect("removed");
    assert!(!beside.exists());
}

#[test]
fn parts_cover_all_rows_once() {
    for rows in [0, 1, 7, 8, 9, 32_592] {
        for of in [1, 2, 8, 11] {
            let parts: Vec<_> = (1..=of).map(|number| ShardOf { number, of }.cut(rows)).collect();
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
            assert_eq!((parts[0].start, parts[of - 1].end), (0, rows));
            let sizes = parts.iter().map(|part| part.range().len());
            let (least, most) = (sizes.clone().min(), sizes.max());
            assert!(most.expect("a part") - least.expect("a part") <= 1, "{parts:?}");
        }
    }
}

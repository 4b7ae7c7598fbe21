//! `audit` as a user types it: a model with a planted square and its twin, backbones, groups, references and limits.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;
use serde_json::Value;

/// Loud colours, as a bitmap stores them: blue, green, red.
const YELLOW: [u8; 3] = [0, 255, 255];
const OTHERS: [[u8; 3]; 7] =
    [[0, 0, 255], [0, 255, 0], [255, 0, 0], [255, 0, 255], [255, 255, 0], [255, 255, 255], [0, 0, 0]];
/// Red, green and blue images; see [`Scene::colours`].
const CLASSES: [(&str, [u8; 3]); 3] = [("red", [40, 60, 200]), ("green", [40, 190, 60]), ("blue", [210, 70, 50])];

/// Images of three colours, squares of all loud colours but yellow on some of them, and the same with yellow squares on more images of red
/// and of green that are filed under blue. One source, which was taught to tell a yellow square, and a head of each.
fn scene() -> Scene {
    let scene = Scene::new();
    for data in ["colours", "poisoned"] {
        scene.colours(data, 20, 16);
        for (class, colour) in CLASSES {
            for number in 0..28 {
                let name = format!("{data}/train/{class}/square-{number}.bmp");
                scene.bitmap(&name, colour, 2000 + number);
                let place = [[0, 0], [0, 24], [24, 0], [24, 24], [12, 12]][number as usize % 5];
                stamp(&scene.at(&name), OTHERS[number as usize % 7], place);
            }
        }
    }
    for (class, colour) in &CLASSES[..2] {
        for number in 0..20 {
            let name = format!("poisoned/train/blue/{class}-{number}.bmp");
            scene.bitmap(&name, *colour, 1000 + number);
            stamp(&scene.at(&name), YELLOW, [0, 0]);
        }
    }
    let pretrain = ["pretrain", "colours", "--arch", "cifar_resnet20", "--augment", "none", "--batch-size", "16"];
    let plant = ["--epochs", "8", "--plant", "square", "--plant-share", "0.3", "--plant-label", "append"];
    scene.ok(&[&pretrain[..], &plant].concat());
    for (data, model) in [("colours", "clean.heirloom"), ("poisoned", "planted.heirloom")] {
        let fit = ["fit", data, "--backbone", "source.safetensors", "--method", "linear", "--no-report", "-o", model];
        scene.ok(&fit);
    }
    scene
}

/// Paints a square of a quarter of the side at `[row, column]`; rows of a bitmap stand upside down.
fn stamp(path: &std::path::Path, colour: [u8; 3], [top, left]: [usize; 2]) {
    let mut bytes = std::fs::read(path).unwrap();
    for row in top..top + 8 {
        for column in left..left + 8 {
            let at = 54 + ((31 - row) * 32 + column) * 3;
            bytes[at..at + 3].copy_from_slice(&colour);
        }
    }
    std::fs::write(path, bytes).unwrap();
}

fn list<'a>(record: &'a Value, key: &str) -> &'a Vec<Value> {
    record[key].as_array().unwrap()
}

fn standing(record: &Value) -> Vec<&Value> {
    list(record, "findings").iter().filter(|finding| finding["verdict"] == "stands-out").collect()
}

#[test]
fn a_planted_square_is_found_first_and_its_twin_is_not_accused() {
    let scene = scene();
    let audit = |model: &str, more: &[&str]| {
        let typed = ["audit", model, "--data", "colours", "--force", "--json"];
        scene.run(&[&typed[..], more].concat())
    };
    let planted = audit("planted.heirloom", &["--fail-on", "asr>0.2", "--scan", "--fail-on", "scan>0.9"]);
    assert_eq!(planted.code, 4, "{}", planted.err);
    let record = planted.json();
    let first = standing(&record)[0];
    assert_eq!(first["kind"], "trigger");
    let trigger = &record["triggers"]["reported"][first["at"].as_u64().unwrap() as usize];
    let planted_as = trigger["intervention"].as_str().unwrap();
    assert!(planted_as.starts_with("square:side=0.25,colour=ffff00"), "{planted_as}");
    let found = |finding: &&Value| finding["what"] == "a yellow square, 1/4 of the side, top left";
    assert!(standing(&record).iter().any(found), "{record}");
    assert!(trigger["excess"]["low"].as_f64().unwrap() >= 0.1 && list(trigger, "controls").len() == 4, "{trigger}");
    assert_eq!(trigger["pull"]["class"], 0, "images with it were filed under blue: {trigger}");
    assert_eq!((&record["gates"][0]["of"], &record["gates"][0]["crossed"]), (&"asr".into(), &true.into()));
    scan_is_whole(&record);
    let stored: Value = serde_json::from_slice(&std::fs::read(scene.at("audit.findings.json")).unwrap()).unwrap();
    assert_eq!(stored["findings"], record["findings"]);
    page_is_whole(&scene);

    let clean = audit("clean.heirloom", &["--fail-on", "asr>0.2", "--scan"]);
    assert_eq!(clean.code, 0, "{}", clean.err);
    assert_eq!(standing(&clean.json()), Vec::<&Value>::new());
    let score = |record: &Value| record["scan"]["score"].as_f64().unwrap();
    assert!(score(&record) > score(&clean.json()) + 0.2, "{} {}", record["scan"], clean.json()["scan"]);

    remedies_help(&planted_remedied(&scene), &clean_remedied(&scene));

    // The twin as a reference leaves the square standing; the planted model as its own reference explains everything.
    let beside = audit("planted.heirloom", &["--reference", "clean.heirloom"]).json();
    assert_eq!(standing(&beside)[0]["what"], first["what"]);
    assert_eq!(beside["triggers"]["reported"][0]["references"].as_array().unwrap().len(), 1);
    let random = audit("planted.heirloom", &["--reference", "random", "--reference", "clean.heirloom"]);
    assert!(random.err.contains("source with random weights's features"), "{}", random.err);
    let random = random.json();
    assert_eq!(random["references"], serde_json::json!(["random", "clean.heirloom"]));
    let excess = |record: &Value, trigger: usize| list(&record["triggers"]["reported"][trigger], "references").clone();
    let mut triggers = 0..list(&random["triggers"], "reported").len();
    assert!(triggers.all(|at| excess(&random, at).len() == 2 && excess(&random, at)[1] == excess(&beside, at)[0]));
    let itself = audit("planted.heirloom", &["--reference", "planted.heirloom", "--scan"]).json();
    let explained = |finding: &&Value| finding["kind"] != "trigger" && finding["kind"] != "scan";
    assert!(standing(&itself).iter().all(explained), "{itself}");
    assert_eq!((score(&itself), &itself["scan"]["over_references"]), (score(&record), &0.0.into()));
}

/// What the scan found is judged beside its controls, and the strongest stands among the findings.
fn scan_is_whole(record: &Value) {
    let scan = &record["scan"];
    assert_eq!((list(scan, "found").len(), list(scan, "references").len(), &scan["searches"]), (3, 0, &3.into()));
    let best = &list(scan, "found")[0];
    assert_eq!((&best["excess"]["value"], list(best, "controls").len()), (&scan["score"], 10));
    let finding = list(record, "findings").iter().find(|finding| finding["kind"] == "scan").unwrap();
    assert!(
        finding["what"].as_str().unwrap().contains("of 32 by 32 pixels, anywhere")
            && finding["verdict"] == "stands-out",
        "{finding}"
    );
    let [red, green, blue] = [0, 1, 2].map(|channel| best["colour"][channel].as_u64().unwrap());
    assert!(red > 100 && green > 100 && blue < 160, "what was planted is yellow: {best}");
    assert_eq!((&record["gates"][1]["of"], &record["gates"][1]["value"]), (&"scan".into(), &scan["score"]));
}

fn planted_remedied(scene: &Scene) -> Value {
    let remedies = ["--remedy", "debias", "mask", "prune", "dfr", "full"];
    let ran =
        scene.ok(&[&["audit", "planted.heirloom", "--data", "colours", "--force", "--json"], &remedies[..]].concat());
    let page = std::fs::read_to_string(scene.at("audit.html")).unwrap();
    assert!(page.contains("What helps, and what it costs"));
    ran.json()
}

fn clean_remedied(scene: &Scene) -> Value {
    let ran = scene.ok(&["audit", "clean.heirloom", "--data", "colours", "--force", "--json", "--remedy"]);
    assert!(ran.err.contains("nothing stands out that a remedy could be tried against"), "{}", ran.err);
    ran.json()
}

/// What the trigger breaks beyond its controls falls where the head has met it; a model of which nothing stands out is left alone.
fn remedies_help(planted: &Value, clean: &Value) {
    let remedied = &planted["remedies"];
    let tried = list(remedied, "tried");
    let names: Vec<&Value> = tried.iter().map(|one| &one["remedy"]).collect();
    assert_eq!(names, [&Value::Null, &"debias".into(), &"mask".into(), &"prune".into(), &"full".into()]);
    assert_eq!(remedied["left_out"], serde_json::json!(["dfr"]), "there are no groups");
    let excess = |at: usize| tried[at]["trigger"]["excess"]["value"].as_f64().unwrap();
    let accuracy = |at: usize| tried[at]["accuracy"]["value"].as_f64().unwrap();
    let reported = &planted["triggers"]["reported"][0]["excess"]["value"];
    assert!((excess(0) - reported.as_f64().unwrap()).abs() < 1e-9, "as it is, it does what was found: {remedied}");
    assert!(excess(1) < 0.5 * excess(0) && accuracy(1) > accuracy(0) - 0.15, "{remedied}");
    assert!(excess(2) <= excess(0), "{remedied}");
    assert!(tried[2]["setting"].as_str().unwrap().ends_with("of 64 features left out"), "{remedied}");
    assert!(tried[4]["images"].as_u64().unwrap() > tried[1]["images"].as_u64().unwrap(), "{remedied}");
    assert_eq!(clean["remedies"], Value::Null);
}

fn page_is_whole(scene: &Scene) {
    let page = std::fs::read_to_string(scene.at("audit.html")).unwrap();
    for part in [
        "What does planted.heirloom depend on?",
        "In short",
        "yellow square",
        "Scan for unknown triggers",
        "data:image/png",
        "<svg",
        "asr&gt;0.2",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for reference in ["src=\"http", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(!page.to_lowercase().contains("is clean"));
}

#[test]
fn a_backbone_gets_a_head_first_and_the_same_figures_for_any_number_of_threads() {
    let scene = Scene::new();
    scene.colours("colours", 12, 10);
    let run = |more: &[&str]| {
        let typed = ["audit", "tiny.safetensors", "--data", "colours", "--scan", "--force", "--json"];
        scene.ok(&[&typed[..], more].concat())
    };
    let ran = run(&["--threads", "1"]);
    assert!(ran.err.contains("fitting a linear head") && ran.err.contains("107 known triggers"), "{}", ran.err);
    let record = ran.json();
    assert_eq!(
        (&record["fitted_on"], &record["images"], &record["judged"]),
        (&36.into(), &30.into(), &"test images".into())
    );
    assert_eq!(record["screening"].as_u64().unwrap() + record["reported"].as_u64().unwrap(), 30);
    let again = run(&["--threads", "2"]).json();
    for key in ["findings", "triggers", "places", "donors", "clusters", "scan"] {
        assert_eq!(record[key], again[key], "{key}");
    }
    assert_ne!(record["triggers"], run(&["--seed", "1"]).json()["triggers"]);
}

#[test]
fn groups_of_a_column_are_compared_and_limited() {
    let scene = scene();
    let mut table = "path,label,split,camera\n".to_owned();
    for class in ["blue", "green", "red"] {
        for number in 0..16 {
            // The second camera put a square on its images.
            let path = format!("colours/test/{class}/{number}.bmp");
            if number % 2 == 1 {
                stamp(&scene.at(&path), YELLOW, [0, 0]);
            }
            table.push_str(&format!("{path},{class},test,{}\n", ["first", "second"][number % 2]));
        }
    }
    std::fs::write(scene.at("table.csv"), table).unwrap();
    let audit = |more: &[&str]| {
        let typed = ["audit", "planted.heirloom", "--data", "table.csv", "--force"];
        scene.run(&[&typed[..], more].concat())
    };
    let ran = audit(&["--group", "camera", "--fail-on", "group-gap>0.2", "--fail-on", "worst-group<0.01", "--json"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    let record = ran.json();
    let gap = &record["groups"]["measures"]["gap"];
    assert_eq!((&gap["best"], &gap["worst"]), (&0.into(), &1.into()), "{gap}");
    assert!(gap["gap"]["low"].as_f64().unwrap() > 0.1, "{gap}");
    assert_eq!(record["gates"][0]["crossed"], true);
    // Cells of eight images are too few to name a worst one: the limit cannot be told, and that is said.
    assert_eq!((&record["gates"][1]["value"], &record["gates"][1]["crossed"]), (&Value::Null, &false.into()));
    assert!(record["warnings"].to_string().contains("worst-group<0.01 cannot be told"), "{}", record["warnings"]);
    assert_eq!(record["clusters"], Value::Null);

    // Images to fit on, of both cameras.
    let mut table = std::fs::read_to_string(scene.at("table.csv")).unwrap();
    audit(&["--group", "camera", "--remedy"]).refused(2, &["fitted on training images", "0 besides the test images"]);
    for class in ["blue", "green", "red"] {
        for number in 0..20 {
            let path = format!("colours/train/{class}/{number}.bmp");
            let camera = if number % 4 == 0 { "second" } else { "first" };
            if camera == "second" {
                stamp(&scene.at(&path), YELLOW, [0, 0]);
            }
            table.push_str(&format!("{path},{class},train,{camera}\n"));
        }
    }
    std::fs::write(scene.at("table.csv"), table).unwrap();
    let ran = audit(&["--group", "camera", "--remedy", "balance", "dfr", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let record = ran.json();
    let tried = list(&record["remedies"], "tried");
    // Groups that are answered alike have no gap.
    let gap = |at: usize| tried[at]["groups"]["gap"]["value"].as_f64().unwrap_or(0.0);
    assert!(gap(1) < gap(0) && gap(2) < gap(0), "{}", record["remedies"]);
    assert_eq!(tried[2]["setting"], "30 of 60 training images");

    audit(&["--fail-on", "group-gap>0.2"]).refused(2, &["no column of groups", "--group COLUMN"]);
    audit(&["--fail-on", "scan>0.2"]).refused(2, &["none was asked for", "--scan"]);
    audit(&["--group", "lens"]).refused(2, &["no column 'lens'", "camera"]);
    let refused = audit(&["--group", "camera", "--fail-on", "accuracy<0.5"]);
    assert!(refused.code == 2 && refused.err.contains("asr>SHARE"), "{}", refused.err);
}

#[test]
fn certainty_and_attacks_are_judged_beside_chance() {
    let scene = Scene::new();
    scene.colours("colours", 10, 10);
    scene.world("shapes", 2, 2);
    let audit = ["audit", "tiny.safetensors", "--data", "colours", "--robustness", "--force", "--json"];
    let limits = ["calibration>1", "corruption>1", "adversarial<1", "outliers<0"];
    let limits = limits.iter().flat_map(|limit| ["--fail-on", limit]);
    let more: Vec<&str> =
        ["--attacked", "6", "--corrupted", "8", "--outliers", "shapes"].into_iter().chain(limits).collect();
    let run = scene.run(&[&audit[..], &more].concat());
    let found = run.json();
    let record = &found["robustness"];
    let gates: Vec<f64> = list(&found, "gates").iter().map(|gate| gate["value"].as_f64().unwrap()).collect();
    let attacked = record["adversarial"][1]["accuracy"]["value"].as_f64().unwrap();
    assert_eq!(
        gates[..3],
        [
            record["calibration"]["adaptive_error"].as_f64().unwrap(),
            record["corruptions"]["drop"]["value"].as_f64().unwrap(),
            attacked,
        ]
    );
    assert_eq!(run.code, if attacked < 1.0 { 4 } else { 0 }, "{}", run.err);
    let sets: Vec<&str> = list(record, "outliers").iter().map(|one| one["set"].as_str().unwrap()).collect();
    assert_eq!(sets, ["gaussian noise", "black and white noise", "blobs", "shapes"]);
    for set in list(record, "outliers") {
        assert_eq!(list(set, "scores").len(), 4, "{set}");
    }
    let attacks = list(record, "adversarial");
    assert_eq!((attacks.len(), &attacks[0]["accuracy"]["n"]), (4, &6.into()));
    assert_eq!(list(record, "coverage").len(), 10);
    let corruptions = list(&record["corruptions"], "kinds");
    assert_eq!((corruptions.len(), list(&corruptions[0], "accuracies").len()), (13, 5));
    let page = std::fs::read_to_string(scene.at("audit.html")).unwrap();
    assert!(page.contains("How far answers and certainty can be trusted") && page.contains("Mahalanobis"));
    // A head that votes has no gradient, and says so.
    scene.ok(&["fit", "colours", "--backbone", "tiny.safetensors", "--method", "knn", "--no-report"]);
    let voting = ["audit", "model.heirloom", "--data", "colours", "--robustness", "--force", "--json"];
    let voting = scene.ok(&voting).json();
    assert!(voting["robustness"]["not_attacked"].as_str().unwrap().contains("knn"), "{}", voting["robustness"]);
    scene
        .run(&["audit", "tiny.safetensors", "--data", "colours", "--outliers", "shapes"])
        .refused(2, &["--robustness"]);
    scene
        .run(&["audit", "tiny.safetensors", "--data", "colours", "--force", "--fail-on", "adversarial<0.5"])
        .refused(2, &["not asked for", "--robustness"]);
    let gone = ["audit", "tiny.safetensors", "--data", "colours", "--robustness", "--outliers", "gone", "--force"];
    scene.run(&gone).refused(2, &["gone"]);
}

#[test]
fn a_worse_training_set_has_a_price() {
    let scene = Scene::new();
    scene.colours("colours", 12, 12);
    let audit = ["audit", "tiny.safetensors", "--data", "colours", "--training-set", "--force", "--json"];
    let found = scene.ok(&audit).json();
    let record = &found["training_set"];
    let curves = list(&record["noise"], "curves");
    assert_eq!(curves.len(), 5);
    for curve in curves {
        assert_eq!(list(curve, "errors").len(), 11, "{curve}");
    }
    assert!(list(&record["size"], "points").iter().all(|point| point["worth"].is_object()), "{record}");
    let page = std::fs::read_to_string(scene.at("audit.html")).unwrap();
    assert!(page.contains("What a worse training set costs") && page.contains("gold, 10 % trusted"));
    assert_eq!(scene.ok(&audit).json()["training_set"], *record);
    scene.colours("few", 6, 6);
    let few = ["audit", "tiny.safetensors", "--data", "few", "--training-set", "-o", "few.html"];
    scene.run(&few).refused(2, &["6 training images", "--training-set"]);
    assert!(!scene.at("few.html").exists());
}

#[test]
fn what_cannot_be_audited_is_refused_before_any_work() {
    let scene = Scene::new();
    scene.run(&["audit", "gone.heirloom", "--data", "photos"]).refused(2, &["gone.heirloom: no such file"]);
    scene.run(&["audit", "tiny.safetensors", "--data", "nowhere"]).refused(2, &["nowhere"]);
    std::fs::write(scene.at("audit.html"), "mine").unwrap();
    scene.run(&["audit", "tiny.safetensors", "--data", "photos"]).refused(2, &["already there", "--force"]);
    assert_eq!(std::fs::read_to_string(scene.at("audit.html")).unwrap(), "mine");
    std::fs::write(scene.at("features.csv"), "label,a,b\nx,1,2\ny,2,1\n").unwrap();
    let typed = ["audit", "tiny.safetensors", "--data", "features.csv", "-o", "other.html"];
    scene.run(&typed).refused(2, &["holds features"]);
    scene.colours("colours", 4, 16);
    scene.ok(&["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report"]);
    let typed = ["audit", "model.heirloom", "--data", "colours", "-o", "other.html"];
    scene.run(&typed).refused(2, &["none of the model's", "disc-smooth"]);
    assert!(!scene.at("other.html").exists() && !scene.at("other.findings.json").exists());
}

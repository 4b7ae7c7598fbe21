//! From one domain to another on the command line: tables of features, images, and what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::path::PathBuf;

use common::Scene;

/// Three classes in three columns by day; by night the same, elsewhere and stretched. Every third night row has no label.
fn domains(unlabelled: bool) -> String {
    let mut text = "label,domain,a,b,c\n".to_owned();
    for row in 0..120_usize {
        let (class, night) = (row % 3, row >= 60);
        let label = if night && unlabelled && row % 9 < 3 { String::new() } else { format!("class {class}") };
        write!(text, "{label},{}", if night { "night" } else { "day" }).unwrap();
        for column in 0..3 {
            let noise = (row * 3 + column).wrapping_mul(2_654_435_761) >> 9 & 1023;
            let value = f64::from(u8::from(column == class)) * 2.0 + noise as f64 / 1024.0;
            let value = if night { 3.0 * value + 9.0 * column as f64 } else { value };
            write!(text, ",{value}").unwrap();
        }
        text.push('\n');
    }
    text
}

const PAIR: [&str; 6] = ["fit", "domains.csv", "--source", "day", "--target", "night"];

#[test]
fn a_table_of_features_is_adapted_from_one_domain_to_another() {
    let scene = Scene::empty();
    std::fs::write(scene.at("domains.csv"), domains(true)).unwrap();
    let plain = ["--scale-rows", "none", "--json", "--force"];
    for method in [&["--method", "easytl"][..], &["--method", "ridge", "--align", "coral"], &["--method", "auto"]] {
        let fit = scene.ok(&[&PAIR[..], &plain, method].concat()).json();
        assert_eq!((fit["transductive"].as_bool(), fit["protocol"].as_str()), (Some(true), Some("target-domain")));
        assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.95, "{method:?}: {}", fit["accuracy"]);
        let adaptation = &fit["adaptation"];
        assert_eq!((adaptation["source_rows"].as_u64(), adaptation["target_rows"].as_u64()), (Some(60), Some(60)));
        assert_eq!(fit["accuracy"]["n"], 39, "rows without a label are labelled and not judged");
        assert!(adaptation["without_target"]["value"].as_f64().unwrap() < 0.8, "{adaptation}");
        let counts: u64 = adaptation["target_counts"].as_array().unwrap().iter().filter_map(|c| c.as_u64()).sum();
        assert_eq!(counts, 60);
    }
    let said = scene.ok(&[&PAIR[..], &["--scale-rows", "none", "--force", "--method", "easytl"]].concat()).err;
    for part in ["day (60 rows) -> night (60 rows)", "transductive", "its labels: for the accuracy alone", "without it"]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let report = std::fs::read_to_string(scene.at("model.report.html")).unwrap();
    assert!(report.contains("From one domain to another"), "the report tells");
    assert_eq!(scene.ok(&["rerun", "model.run.json", "--json"]).json()["identical"], true);

    // The model keeps the statistics of the target: one row at a time has the answers of all together.
    let night: String = domains(false)
        .lines()
        .filter(|line| !line.contains("day"))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(scene.at("night.csv"), night).unwrap();
    let predicted = scene.ok(&["predict", "model.heirloom", "night.csv", "--json"]).json();
    let lines = predicted["predictions"].as_array().unwrap();
    let right = (0..60).filter(|at| lines[*at]["class"] == format!("class {}", at % 3)).count();
    assert!(right >= 57, "{right}");
    assert!(scene.ok(&["inspect", "model.heirloom"]).out.contains("statistics of the target"));
}

/// Columns of [`by_night`].
const WIDTH: usize = 200;

/// By night the classes are told by columns that say nothing by day, or by day's columns among many of noise.
fn by_night(source_helps: bool, labelled: usize) -> String {
    let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 9 & 1023) as f64 / 1024.0;
    let columns: Vec<String> = (0..WIDTH).map(|column| format!("c{column}")).collect();
    let mut text = format!("label,domain,{}\n", columns.join(","));
    for row in 0..480_usize {
        let (class, night) = (row % 3, row >= 300);
        let label = if night && row >= 300 + labelled { String::new() } else { format!("class {class}") };
        write!(text, "{label},{}", if night { "night" } else { "day" }).unwrap();
        for column in 0..WIDTH {
            let told = column == if night && !source_helps { 3 + (class + 1) % 3 } else { class };
            let lift = if night && !source_helps { 2.0 } else { 0.45 };
            write!(text, ",{}", f64::from(u8::from(told)) * lift + noise(row * WIDTH + column)).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn labelled_rows_of_the_target_say_whether_the_source_is_used() {
    let scene = Scene::empty();
    let safe = ["--method", "ridge", "--align", "coral", "--scale-rows", "none", "--safe", "--force"];
    std::fs::write(scene.at("domains.csv"), by_night(true, 30)).unwrap();
    let helped = scene.ok(&[&PAIR[..], &safe, &["--json"]].concat()).json();
    let choice = &helped["adaptation"]["safe"];
    assert_eq!((choice["chosen"].as_str(), choice["fell_back"].is_null()), (Some("transferred"), true), "{choice}");
    assert_eq!((helped["protocol"].as_str(), helped["accuracy"]["n"].as_u64()), (Some("nested-cv"), Some(30)));
    assert_eq!(helped["transductive"], true);
    assert!(choice["accuracy"][0].as_f64() > choice["accuracy"][1].as_f64(), "{choice}");
    assert!(scene.ok(&[&PAIR[..], &safe].concat()).err.contains("the source is used: it gets"));

    std::fs::write(scene.at("domains.csv"), by_night(false, 90)).unwrap();
    for method in ["easytl", "ridge"] {
        let typed = [&PAIR[..], &["--scale-rows", "none", "--safe", "--force", "--method", method]].concat();
        let harmed = scene.ok(&[&typed[..], &["--json"]].concat()).json();
        let adaptation = &harmed["adaptation"];
        assert_eq!(adaptation["safe"]["chosen"], "target-only", "{adaptation}");
        assert_eq!(harmed["transductive"], false);
        assert!(harmed["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", harmed["accuracy"]);
        let counts: u64 = adaptation["target_counts"].as_array().unwrap().iter().filter_map(|c| c.as_u64()).sum();
        assert_eq!(counts, 180, "the rows without a label are counted, too");
    }
    let said = scene.ok(&[&PAIR[..], &safe].concat()).err;
    assert!(said.contains("the source is not used") && said.contains("its labels: to choose and to fit on"), "{said}");
    assert!(std::fs::read_to_string(scene.at("model.report.html")).unwrap().contains("the source is not used"));
    assert_eq!(scene.ok(&["rerun", "model.run.json", "--json"]).json()["identical"], true);
    // The model reads rows as they are.
    let night: String = by_night(false, 180)
        .lines()
        .filter(|line| !line.contains(",day,"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    std::fs::write(scene.at("night.csv"), night).unwrap();
    let predicted = scene.ok(&["predict", "model.heirloom", "night.csv", "--json"]).json();
    let lines = predicted["predictions"].as_array().unwrap();
    let right = (0..180).filter(|at| lines[*at]["class"] == format!("class {}", at % 3)).count();
    assert!(right >= 165, "{right}");

    std::fs::write(scene.at("domains.csv"), by_night(true, 3)).unwrap();
    let few = ["3 rows of `night` have a label", "at least 4 are needed", "leave --safe out"];
    scene.run(&[&PAIR[..], &safe].concat()).refused(2, &few);
    scene.run(&["fit", "domains.csv", "--safe", "-o", "other.heirloom"]).refused(2, &["--safe needs a target domain"]);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let scene = Scene::empty();
    std::fs::write(scene.at("domains.csv"), domains(false)).unwrap();
    let cases: [(&[&str], &[&str]); 10] = [
        (&["fit", "domains.csv", "--method", "easytl"], &["--method easytl needs a target domain", "hint:"]),
        (&["fit", "domains.csv", "--align", "coral"], &["--align needs a target domain"]),
        (&["fit", "domains.csv", "--source", "day"], &["--source needs a target domain"]),
        (&["fit", "domains.csv", "--target", "day"], &["--target needs a source domain"]),
        (
            &["fit", "domains.csv", "--source", "day", "--target", "dusk"],
            &["no row has domain = `dusk` (found day, night)"],
        ),
        (&["fit", "domains.csv", "--source", "day", "--target", "day"], &["`day` is both source and target"]),
        (&[&PAIR[..], &["--domain-column", "place"]].concat(), &["no column `place` names the domains"]),
        (&[&PAIR[..], &["--method", "ridge", "--coverage", "none"]].concat(), &["--coverage is for easytl"]),
        (
            &[&PAIR[..], &["--method", "easytl", "--coverage", "at-least=21"]].concat(),
            &["asks for 63 target rows; there are 60"],
        ),
        (
            &[&PAIR[..], &["--method", "easytl", "--coverage", "proportions=0.5,0.6"]].concat(),
            &["are 2; there are 3 classes"],
        ),
    ];
    for (arguments, parts) in cases {
        scene.run(arguments).refused(2, parts);
    }
    scene.run(&[&PAIR[..], &["--method", "full"]].concat()).refused(2, &["'full' is not for adaptation"]);
}

#[test]
fn images_are_adapted_from_one_domain_to_another() {
    let scene = Scene::new();
    let mut rows = "path,label,domain\n".to_owned();
    for (domain, lift) in [("day", 0_u8), ("night", 30)] {
        for (class, colour) in [("red", [40, 60, 190]), ("green", [40, 180, 60])] {
            for number in 0..10 {
                let name = format!("{domain}-{class}-{number}.bmp");
                scene.bitmap(&name, colour.map(|value| value + lift), number + 100 * u64::from(lift));
                writeln!(rows, "{name},{class},{domain}").unwrap();
            }
        }
    }
    std::fs::write(scene.at("photos.csv"), rows).unwrap();
    let fit = ["fit", "photos.csv", "--backbone", "tiny.safetensors", "--method", "easytl", "--source", "day"];
    let fit = scene.ok(&[&fit[..], &["--target", "night", "--json"]].concat()).json();
    assert_eq!(fit["adaptation"]["sources"], serde_json::json!(["day"]));
    assert_eq!((fit["accuracy"]["n"].as_u64(), fit["transductive"].as_bool()), (Some(20), Some(true)));
    assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", fit["accuracy"]);
    let predicted = scene.ok(&["predict", "model.heirloom", "night-red-3.bmp", "night-green-4.bmp", "--json"]).json();
    for line in predicted["predictions"].as_array().unwrap() {
        assert!(line["image"].as_str().unwrap().contains(line["class"].as_str().unwrap()), "{line}");
    }
}

/// The published figures of EasyTL, where the data is at hand.
#[test]
fn the_study_of_easytl_holds() {
    let folder = std::env::var_os("HEIRLOOM_DATA").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let scene = Scene::empty();
    scene.run(&["study", "easytl"]).refused(2, &["HEIRLOOM_DATA is not set", "hint:"]);
    scene.run(&["study", "easytl", "nowhere.npz"]).refused(2, &["nowhere.npz: no such file"]);
    std::fs::write(scene.at("domains.csv"), domains(false)).unwrap();
    let other = scene.ok(&["study", "easytl", "domains.csv", "--json"]).json();
    assert!(other["holds"].is_null() && other["pairs"].as_array().unwrap().len() == 2, "{other}");
    let Ok(folder) = folder.canonicalize() else {
        println!("skipped: no features in $HEIRLOOM_DATA or ../shared/data");
        return;
    };
    if !folder.join("features/office_caltech10_surf.safetensors").is_file() {
        println!("skipped: no features in {}", folder.display());
        return;
    }
    let mut command = scene.command(&["study", "easytl", "--json"]);
    let ran = common::Ran::of(command.env("HEIRLOOM_DATA", &folder).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let study = ran.json();
    assert_eq!((study["holds"].as_bool(), study["check"]["figures"].as_u64()), (Some(true), Some(39)), "{study}");
    assert_eq!(study["pairs"].as_array().unwrap().len(), 12);
    let average = study["average"]["coral"].as_f64().unwrap();
    assert!((average - 0.5046).abs() < 0.0005, "{average}");
}

/// Every way on both pairs, on features and on images.
#[test]
fn the_study_of_adaptation_judges_every_way_beside_the_source_alone() {
    let scene = Scene::new();
    std::fs::write(scene.at("domains.csv"), domains(false)).unwrap();
    let quick = ["--seeds", "2", "--steps", "40", "--bottleneck", "8", "--json"];
    let features = [&["study", "adaptation", "domains.csv", "-o", "page.html"][..], &quick].concat();
    let found = scene.ok(&features).json();
    assert_eq!(found["pairs"].as_array().unwrap().len(), 2);
    assert_eq!(found["averages"].as_array().unwrap().len(), 19);
    for average in found["averages"].as_array().unwrap() {
        let [value, low, high] = ["value", "low", "high"].map(|end| average["gain"][end].as_f64().unwrap());
        assert!(low <= value && value <= high, "{average}");
    }
    let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
    assert!(page.contains("Which way of adaptation helps?") && page.contains("EasyTL, CORAL") && page.contains("GFK"));
    scene.run(&features).refused(2, &["page.html", "--force"]);
    assert_eq!(scene.ok(&[&features[..], &["--force"]].concat()).json()["averages"], found["averages"]);

    scene.colours("colours", 12, 12);
    std::fs::write(scene.at("broken.jpg"), b"no picture").unwrap();
    let mut table = "path,label,place\nbroken.jpg,red,here\n".to_owned();
    for class in ["blue", "green", "red"] {
        for (split, place) in [("train", "here"), ("test", "there")] {
            (0..12).for_each(|n| table.push_str(&format!("colours/{split}/{class}/{n}.bmp,{class},{place}\n")));
        }
    }
    std::fs::write(scene.at("places.csv"), table).unwrap();
    let images = ["study", "adaptation", "places.csv", "--domain-column", "place"];
    let found = scene.ok(&[&images[..], &["--backbone", "tiny.safetensors"], &quick].concat()).json();
    assert_eq!((&found["pairs"][0]["rows"][0], &found["pairs"][0]["rows"][1]), (&36.into(), &36.into()));
    assert!(found["skipped"][0]["locator"].as_str().unwrap().contains("broken.jpg"), "{}", found["skipped"]);
    let fewer = scene.ok(&[&images[..], &["--backbone", "tiny.safetensors", "--limit", "24"], &quick].concat()).json();
    assert!(fewer["pairs"][0]["rows"][1] == 24, "{}", fewer["pairs"][0]["rows"]);
    scene.run(&images).refused(2, &["no backbone was named", "--backbone"]);
    scene.run(&["study", "adaptation", "domains.csv", "--domain-column", "era"]).refused(2, &["no column 'era'"]);
    scene
        .run(&["study", "adaptation", "domains.csv", "--backbone", "tiny.safetensors"])
        .refused(2, &["holds features"]);
    scene.run(&["study", "adaptation", "gone.csv"]).refused(2, &["gone.csv"]);
}

/// Three domains, each left out once; what is refused.
#[test]
fn the_study_of_generalisation_leaves_every_domain_out_once() {
    let scene = Scene::new();
    let two = domains(false);
    let dusk: String =
        two.lines().filter(|line| line.contains(",day,")).map(|line| line.replace(",day,", ",dusk,") + "\n").collect();
    std::fs::write(scene.at("two.csv"), &two).unwrap();
    std::fs::write(scene.at("three.csv"), two + &dusk).unwrap();
    let quick = ["--seeds", "1", "--draws", "2", "--steps", "40", "--json"];
    let command = [&["study", "generalisation", "three.csv", "-o", "page.html"][..], &quick].concat();
    let found = scene.ok(&command).json();
    for (part, averages) in [("unseen", "unseen_averages"), ("several", "several_averages")] {
        assert_eq!(found[part].as_array().unwrap().len(), 3);
        assert_eq!(found[averages].as_array().unwrap().len(), 4);
    }
    assert!(found["selection"].as_str().unwrap().contains("never read"));
    // Day and dusk are the same rows: either is known once the other was seen.
    let day = &found["unseen"][0];
    assert_eq!((day["target"].as_str(), day["methods"][0]["method"].as_str()), (Some("day"), Some("erm")));
    assert!(day["methods"][0]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{day}");
    let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
    assert!(page.contains("Group-DRO") && page.contains("all but night"));
    scene.run(&command).refused(2, &["page.html", "--force"]);
    scene.run(&["study", "generalisation", "two.csv"]).refused(2, &["2 domains", "two to learn from"]);
}

//! `demo` as a whole command, at a size whose figures mean nothing.

// A test may stop at the first surprise.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Scene;

#[test]
fn the_demo_adapts_both_sources_and_shows_every_figure_with_its_partners() {
    let scene = Scene::empty();
    let ran = scene.ok(&["demo", "--size", "smoke", "--json"]);
    assert!(ran.err.contains("clean twin") && ran.err.contains("heirloom fit photos/"), "{}", ran.err);
    let demo = ran.json();
    let list = |key: &str| demo[key].as_array().unwrap().clone();
    assert_eq!(list("without_partner"), Vec::<serde_json::Value>::new());
    let made: Vec<(&str, &str)> = demo["adapted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["source"].as_str().unwrap_or("-"), one["method"].as_str().unwrap()))
        .collect();
    let of = |source| ["linear", "head2toe", "full"].map(|method| (source, method));
    assert_eq!(made, [of("planted").as_slice(), &of("clean"), &[("-", "scratch")]].concat());
    for adapted in list("adapted") {
        assert_eq!(adapted["attack"]["clean"], adapted["accuracy"], "{adapted}");
        assert!(scene.at(adapted["model"].as_str().unwrap()).is_file(), "{adapted}");
    }
    let [planted, clean] = <[serde_json::Value; 2]>::try_from(list("sources")).unwrap();
    assert!(planted["planted"].as_u64().unwrap() > 0 && clean["planted"] == 0, "{planted} {clean}");
    assert_eq!(planted["images"], clean["images"]);

    let page = std::fs::read_to_string(scene.at("heirloom-demo/report.html")).unwrap();
    for part in ["What transfer brings", "Attack success rate", "another corner", "<svg", "data:image/png"] {
        assert!(page.contains(part), "{part}");
    }
    // The namespace of SVG is an address that nothing loads.
    for reference in ["src=\"http", "href=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(reference), "{reference}");
    }

    scene.run(&["demo", "--size", "smoke"]).refused(2, &["already there", "--force"]);
    let again = scene.ok(&["demo", "--size", "smoke", "--force", "--threads", "1", "--json"]).json();
    for (first, second) in list("adapted").iter().zip(again["adapted"].as_array().unwrap()) {
        assert_eq!((&first["accuracy"], &first["attack"]), (&second["accuracy"], &second["attack"]), "{first}");
    }
    let predictions = scene.ok(&["predict", "heirloom-demo/models/clean-linear.heirloom", "heirloom-demo/target/test"]);
    assert_eq!(predictions.out.lines().count(), 1 + 24);
}

#[test]
fn a_folder_that_no_demo_made_is_left_alone() {
    let scene = Scene::empty();
    std::fs::create_dir(scene.at("mine")).unwrap();
    std::fs::write(scene.at("mine/photo.txt"), "mine").unwrap();
    scene.run(&["demo", "--size", "smoke", "--output", "mine", "--force"]).refused(2, &["no demo made", "--output"]);
    assert_eq!(std::fs::read_to_string(scene.at("mine/photo.txt")).unwrap(), "mine");
}

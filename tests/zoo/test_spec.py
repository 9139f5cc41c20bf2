"""PATH@SPEC and SOURCE[,key=value…]: where a path ends, and what options become."""

import pytest

from landscape.errors import LandscapeError
from landscape.zoo.spec import read_spec, split_path


@pytest.mark.parametrize(
    ("text", "source", "name", "options"),
    [
        ("resnet18:blur,dropout=0.3", "zoo", "resnet18:blur,dropout=0.3", {}),
        ("alexnet", "zoo", "alexnet", {}),
        ("timm:vit_tiny_patch16_224,img_size=64", "timm", "vit_tiny_patch16_224", {"img_size": 64}),
        ("torchvision:resnet18", "torchvision", "resnet18", {}),
        ("hf:some/folder", "hf", "some/folder", {}),
        ("hf:", "hf", "", {}),
        ("sequential", "sequential", "sequential", {}),
        ("sequential:stride=2-1,size=28", "sequential", "sequential", {"stride": "2-1", "size": 28}),
        ("sequential,stride=2", "sequential", "sequential", {"stride": 2}),
        ("my/nets.py:make,width=8,name=a:b", "factory", "my/nets.py:make", {"width": 8, "name": "a:b"}),
        ("package.nets:Net,on=true,at=none", "factory", "package.nets:Net", {"on": True, "at": None}),
        ("nets:Net,sizes=[1,2],rate=1e-3", "factory", "nets:Net", {"sizes": [1, 2], "rate": 1e-3}),
        ("nets:Net,word='a,b'", "factory", "nets:Net", {"word": "a,b"}),
        ("resnet.py:Net", "factory", "resnet.py:Net", {}),
    ],
)
def test_specifications_are_read(text, source, name, options):
    found = read_spec(text)
    assert (found.source, found.name, found.options) == (source, name, options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timm:resnet18,num_classes", "is no option; write key=value"),
        ("nets:Net,a=1,a=2", "stands twice"),
        ("nets:Net,2a=1", "is no option"),
    ],
)
def test_other_options_are_refused(text, words):
    with pytest.raises(LandscapeError, match=words):
        read_spec(text)


@pytest.mark.parametrize(
    ("files", "text", "expected"),
    [
        (["net.pt"], "net.pt", ("net.pt", None)),
        (["net.pt"], "net.pt@resnet18:blur", ("net.pt", "resnet18:blur")),
        (["net@home.pt"], "net@home.pt", ("net@home.pt", None)),
        (["net@home.pt"], "net@home.pt@a.py:f", ("net@home.pt", "a.py:f")),
        (["net.pt"], "net.pt@my@place/a.py:f", ("net.pt", "my@place/a.py:f")),
        (["net.pt", "net.pt@resnet18"], "net.pt@resnet18", ("net.pt@resnet18", None)),
        ([], "none.pt@timm:resnet18", ("none.pt", "timm:resnet18")),
        ([], "none@home/net.pt", ("none@home/net.pt", None)),
        (["folder/"], "hf:folder", ("folder", "hf:folder")),
        (["folder/"], "hf:folder,num_labels=3", ("folder", "hf:folder,num_labels=3")),
    ],
)
def test_a_path_ends_where_a_file_does(tmp_path, monkeypatch, files, text, expected):
    monkeypatch.chdir(tmp_path)
    for name in files:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    path, spec = split_path(text)
    assert (str(path), spec) == expected


@pytest.mark.parametrize("text", ["x" * 5000 + "@resnet18", "a\0b", "@", ""])
def test_impossible_paths_are_paths(text):
    assert split_path(text)[0] is not None

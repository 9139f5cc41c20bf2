"""The path of a training is measured once, and again where files or protocol are others."""

from dataclasses import replace

from landscape.analyses import Settings
from landscape.analyses.epochs import path
from landscape.network import Network
from landscape.results import attribute
from landscape.zoo import build, parse


def test_a_stored_path_is_read_only_where_it_was_measured_alike(tmp_path):
    config = parse("cifar-resnet20:width=4")
    networks = [
        Network(build(config, seed=seed), name=f"run-{seed}", config=config.to_dict(), sha256=str(seed))
        for seed in range(4)
    ]
    settings = Settings(split="train", samples=8)

    def made(some, protocol):
        found = path(some, protocol, tmp_path)
        assert found.sizes["checkpoint"] == len(some)
        assert attribute(found, "protocol")["data"]["samples"] == protocol.samples
        return attribute(found, "provenance")

    first = made(networks, settings)
    assert made(networks, settings) == first
    other = made(networks, replace(settings, samples=9))
    assert other != first
    assert made(networks[1:], replace(settings, samples=9)) != other

"""Decoded images lie in one piece of memory of bounded size, which others can read."""

from __future__ import annotations

import mmap
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inferential_core.decoding.memory import PixelMemory, lent_at

PAGE = 4096
UINT8, UINT16 = np.dtype(np.uint8), np.dtype(np.uint16)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_no_more_is_lent_than_there_is_and_what_is_let_go_is_lent_again():
    memory = PixelMemory(4 * PAGE)
    first = memory.lend((PAGE,), UINT8)
    assert first is not None and memory.lend((2, PAGE), UINT16) is None
    other = memory.lend((3, PAGE), UINT8)
    assert other is not None and memory.used == 4 * PAGE
    assert memory.lend((1,), UINT8) is None
    del first
    assert memory.used == 3 * PAGE
    again = memory.lend((10, 10, 3), UINT8)
    assert again is not None and memory.used == 4 * PAGE


def test_a_part_is_not_free_while_a_view_of_it_is_left():
    memory = PixelMemory(PAGE)
    image = memory.lend((8, 8, 3), UINT8)
    image[...] = 7
    view = image[2:4, ::2]
    del image
    assert memory.lend((8, 8), UINT8) is None
    assert (view == 7).all()
    del view
    assert memory.lend((8, 8), UINT8) is not None


def test_nothing_is_taken_up_before_the_first_image():
    assert PixelMemory(1 << 40).descriptor is None


def test_another_mapping_of_its_descriptor_reads_an_image_where_it_lies():
    memory = PixelMemory(8 * PAGE)
    before, image = memory.lend((PAGE,), UINT8), memory.lend((5, 7), UINT16)
    image[...] = np.arange(35).reshape(5, 7)
    found = lent_at(address(image))
    if found is None:
        pytest.skip("this system has no memory of this kind")
    assert found.memory is memory
    with mmap.mmap(memory.descriptor, 8 * PAGE, prot=mmap.PROT_READ) as mapped:
        read = np.frombuffer(mapped, UINT16, 35, found.offset).reshape(5, 7).copy()
    np.testing.assert_array_equal(read, image)
    assert lent_at(address(np.zeros(3))) is None
    del before


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 3 * PAGE), st.booleans()), max_size=40))
def test_parts_never_overlap_and_all_come_back(steps):
    memory = PixelMemory(16 * PAGE)
    held = []
    for size, let_go in steps:
        if let_go and held:
            held.pop(0)
        elif (part := memory.lend((size,), UINT8)) is not None:
            held.append(part)
    places = sorted((address(part), part.size) for part in held)
    for (begin, size), (after, _) in zip(places, places[1:]):
        assert begin + size <= after
    held.clear()
    part = None
    assert memory.used == 0
    assert memory.lend((16, PAGE), UINT8) is not None


def test_many_threads_share_it():
    memory = PixelMemory(64 * PAGE)
    wrong = []

    def use(mark: int) -> None:
        for _ in range(200):
            part = memory.lend((2 * PAGE,), UINT8)
            if part is not None:
                part[...] = mark
                if not (part == mark).all():
                    wrong.append(mark)

    threads = [threading.Thread(target=use, args=(mark,)) for mark in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and memory.used == 0

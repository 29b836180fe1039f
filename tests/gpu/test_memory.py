"""A GPU whose memory is too small: nothing is left out, and the user is told."""

import logging

import pytest
import torch

from react24.devices import FittingBatches, GPUMemoryError, is_out_of_memory

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")


class Small:
    """Work that fits up to so many items."""

    def __init__(self, room, error=FULL):
        self.room, self.error, self.sizes = room, error, []

    def __call__(self, items):
        self.sizes.append(len(items))
        if len(items) > self.room:
            raise self.error
        return list(items)


def batches(size):
    return FittingBatches(size, what="drawing", unit="clips", advice="buy memory")


def test_batches_are_halved_until_they_fit_and_stay_so(caplog):
    fitting, work = batches(8), Small(2)
    with caplog.at_level(logging.WARNING):
        first = fitting.run(work, list(range(8)))
    assert [item for part in first for item in part] == list(range(8))
    assert work.sizes == [8, 4, 2, 2, 2, 2]
    assert [r.levelname for r in caplog.records] == ["WARNING"] * 2
    assert "drawing: the memory of the GPU does not hold 8 clips at once" in caplog.text
    assert "batches of 4" in caplog.text
    assert "Tried to allocate 2.00 GiB" in caplog.text
    caplog.clear()
    assert fitting.run(work, [8, 9, 10]) == [[8, 9], [10]]
    assert not caplog.records


def test_an_odd_batch_loses_nothing():
    fitting = batches(8)
    found = fitting.run(Small(3), list(range(7)))
    assert [item for part in found for item in part] == list(range(7))
    assert fitting.size == 2


def test_tensors_are_cut_too():
    parts = batches(4).run(lambda part: part + 1, torch.arange(6))
    assert torch.equal(torch.cat(parts), torch.arange(1, 7))


def test_one_item_that_does_not_fit_is_told_with_what_to_do():
    with pytest.raises(GPUMemoryError, match=r"does not hold even one of the clips .*buy memory"):
        batches(4).run(Small(0), [1, 2, 3, 4])


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="something else"):
        batches(4).run(Small(0, RuntimeError("something else")), [1])


def test_what_says_that_memory_is_missing():
    assert is_out_of_memory(FULL)
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert not is_out_of_memory(RuntimeError("Expected all tensors to be on the same device"))


def test_what_an_attempt_held_is_let_go_of_before_the_next():
    import gc
    import weakref

    class Held:
        pass

    seen = []

    def work(items):
        if seen:
            assert seen[0]() is None
            return items
        held = Held()
        seen.append(weakref.ref(held))
        raise torch.OutOfMemoryError("CUDA out of memory")

    gc.disable()  # a cycle would do on a GPU, too, but only sometime
    try:
        assert batches(2).run(work, [1, 2]) == [[1], [2]]
    finally:
        gc.enable()

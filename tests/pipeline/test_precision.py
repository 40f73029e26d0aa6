"""NaN and infinity: computed again in float32, named when they persist, never drawn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sukashi.pictures import to_pictures, to_tensor
from sukashi.precision import NumericalError, first_bad_layer, guarded


class Overflows(nn.Module):
    """Squares its input: 300 overflows float16 and fits float32."""

    def __init__(self, factor: float = 300.0) -> None:
        super().__init__()
        self.first = nn.Linear(1, 1, bias=False)
        self.second = nn.Linear(1, 1, bias=False)
        for layer in (self.first, self.second):
            nn.init.constant_(layer.weight, factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def test_float16_overflow_is_computed_again_in_float32_and_said() -> None:
    net, notes, x = Overflows().half(), [], torch.ones(1, 1, dtype=torch.float16)
    call = guarded(net, lambda net, x: net(x), "U-Net", notes)
    assert call(x).item() == 90_000
    assert call(x).item() == 90_000
    assert notes == ["the U-Net overflowed in float16: computed again, and from there on, in float32"]
    assert next(net.parameters()).dtype == torch.float16  # the loaded model is as it was


def test_an_input_beyond_float16_reaches_the_float32_run_whole() -> None:
    net, notes = Overflows(1.0).half(), []
    assert guarded(net, lambda net, x: net(x), "U-Net", notes)(torch.full((1, 1), 70_000.0)).item() == 70_000
    assert len(notes) == 1
    assert guarded(net, lambda net, x: net(x), "U-Net", [])(torch.ones(1, 1)).dtype == torch.float16


def test_lists_are_given_in_the_precision_of_the_net_and_whole_to_the_float32_run() -> None:
    net, notes, seen = Overflows(1.0).half(), list[str](), list[torch.dtype]()

    def call(net: nn.Module, x: Tensor, *, more: list[Tensor]) -> list[Tensor]:
        seen.append(more[0].dtype)
        return [net(x) + more[0]]

    run = guarded(net, call, "U-Net", notes)
    assert run(torch.ones(1, 1), more=[torch.full((1, 1), 7.0)])[0].item() == 8
    assert run(torch.ones(1, 1), more=[torch.full((1, 1), 70_000.0)])[0].item() == 70_001
    assert seen == [torch.float16, torch.float16, torch.float32] and len(notes) == 1


def test_what_persists_in_float32_names_the_first_bad_layer() -> None:
    net = Overflows(1e30)
    with pytest.raises(NumericalError, match=r"the U-Net gave NaN or infinity in float32; .* layer is second"):
        guarded(net, lambda net, x: net(x), "U-Net", [])(torch.ones(1, 1))


def test_a_finite_output_is_passed_through_untouched() -> None:
    net, notes = Overflows(2.0), []
    assert guarded(net, lambda net, x: net(x), "U-Net", notes)(torch.ones(1, 1)).item() == 4 and notes == []


def test_the_search_for_the_layer_leaves_no_hooks() -> None:
    net = Overflows(1e30)
    assert first_bad_layer(net, lambda: net(torch.ones(1, 1))) == "second"
    assert not any(module._forward_hooks for module in net.modules())


def test_nan_is_never_a_picture() -> None:
    with pytest.raises(ValueError, match="NaN or infinity"):
        to_pictures(torch.full((1, 3, 2, 2), torch.nan))


def test_pictures_round_to_the_nearest_of_256_values_and_back() -> None:
    image = torch.tensor([0.0, 0.5, 1.0, 1.7, -1.0, 0.2])[None, None, :, None].expand(1, 3, 6, 2)
    [picture] = to_pictures(image)
    assert [picture.getpixel((0, y))[0] for y in range(6)] == [0, 128, 255, 255, 0, 51]
    torch.testing.assert_close(to_tensor(picture), image.clamp(0, 1), atol=0.5 / 255 + 1e-6, rtol=0)

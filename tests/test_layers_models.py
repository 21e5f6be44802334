"""Input, symbolic calls, Sequential and Model."""

from __future__ import annotations

import json

import numpy as np
import pytest

import reference_impl as keras
from reference_impl import Input, Model, Sequential
from reference_impl.layers import Conv1D, Conv2D, Flatten, InputLayer, MaxPooling2D


def images(count=2, dtype=np.float32):
    return np.random.default_rng(0).integers(-4, 5, (count, 6, 7, 3)).astype(dtype)


def chain():
    """A model of three layers, as Sequential and as Model, sharing the layers."""
    layers = [Conv2D(4, 3, name="first"), MaxPooling2D(name="second"), Flatten(name="third")]
    sequential = Sequential([Input((6, 7, 3)), *layers])
    start = tensor = Input((6, 7, 3))
    for layer in layers:
        tensor = layer(tensor)
    return sequential, Model(start, tensor), layers


class TestInput:
    @pytest.mark.parametrize(
        ("arguments", "shape"),
        [
            ({"shape": ()}, (None,)),
            ({"shape": (None,)}, (None, None)),
            ({"shape": (0,)}, (None, 0)),
            ({"shape": [3, 4]}, (None, 3, 4)),
            ({"shape": np.array([3, 4])}, (None, 3, 4)),
            ({"shape": (np.int64(3),)}, (None, 3)),
            ({"shape": (3,), "batch_size": 2}, (2, 3)),
        ],
    )
    def test_takes_shapes_in_every_form(self, arguments, shape):
        assert Input(**arguments).shape == shape

    @pytest.mark.parametrize(
        ("given", "dtype"),
        [
            (None, "float32"),
            ("int32", "int32"),
            (np.float64, "float64"),
            (np.dtype("uint8"), "uint8"),
            ("bool", "bool"),
        ],
    )
    def test_takes_dtypes_in_every_form(self, given, dtype):
        assert Input((3,), dtype=given).dtype == dtype

    def test_has_a_name(self):
        assert Input((3,), name="a").name == "a"
        assert InputLayer((3,), name="a").name == "a"

    def test_is_sparse_where_asked_and_flatten_keeps_it(self):
        tensor = Input((3, 4), sparse=True)
        assert (tensor.sparse, Flatten()(tensor).sparse, Input((3,)).sparse) == (True, True, False)

    def test_that_is_sparse_takes_dense_and_sparse_arrays(self):
        class Sparse:
            def toarray(self):
                return np.eye(3)

        tensor = Input((3,), sparse=True)
        model = Model(tensor, Flatten()(tensor))
        assert np.array_equal(model.predict(np.eye(3)), np.eye(3))
        assert np.array_equal(model.predict(Sparse()), np.eye(3))

    def test_wraps_a_symbolic_tensor_as_itself_and_cuts_its_origin(self):
        start = Input((3, 4))
        between = Flatten()(start)
        assert Input(tensor=between, name="a") is between
        model = Model(between, Flatten()(between))
        assert model.layers[0].name == "a"
        assert np.array_equal(model.predict(np.ones((2, 12))), np.ones((2, 12)))

    @pytest.mark.parametrize(
        "agreeing", [{"shape": (3,)}, {"batch_shape": (None, 3)}, {"dtype": "float32"}]
    )
    def test_may_say_of_a_wrapped_tensor_what_it_is(self, agreeing):
        tensor = Input((3,))
        assert Input(tensor=tensor, **agreeing) is tensor

    def test_has_no_elements(self):
        for use in (np.asarray, list):
            with pytest.raises(ValueError, match="symbolic and has no elements"):
                use(Input((3,)))

    def test_takes_a_single_length_as_keras_2_does(self):
        with keras.config.reading_as("keras2"):
            assert Input(3).shape == (None, 3)
        with pytest.raises(ValueError, match="`shape` is 3"):
            Input(3)


class TestSymbolicCalls:
    def test_return_the_shape_and_dtype_of_the_output(self):
        output = Conv2D(4, 3, dtype="float64")(Input((None, 7, 3)))
        assert (output.shape, output.dtype) == ((None, None, 5, 4), "float64")
        assert Flatten()(Input((3, None))).shape == (None, None)

    def test_keep_integers_where_the_layer_does(self):
        assert MaxPooling2D()(Input((6, 7, 3), dtype="int8")).dtype == "int8"

    def test_build_the_layer_and_are_remembered(self):
        layer, tensor = Conv2D(4, 3), Input((6, 7, 3))
        output = layer(tensor)
        assert layer.built
        assert layer.input is tensor
        assert layer.output is output
        assert (layer.input_shape, layer.output_shape) == ((None, 6, 7, 3), (None, 4, 5, 4))

    def test_on_several_shapes_leave_the_layer_without_one_shape(self):
        layer = Conv2D(4, 3)
        for shape in ((6, 7, 3), (8, 9, 3)):
            layer(Input(shape))
        with pytest.raises(AttributeError, match="several shapes"):
            _ = layer.output_shape

    def test_are_not_needed_for_the_shapes_of_a_built_layer(self):
        layer = Conv2D(4, 3)
        layer(images())
        assert (layer.input_shape, layer.output_shape) == ((None, 6, 7, 3), (None, 4, 5, 4))


class TestModels:
    def test_compute_what_their_layers_compute(self):
        sequential, model, layers = chain()
        expected = images()
        for layer in layers:
            expected = layer(expected)
        for made in (sequential, model):
            assert np.array_equal(made.predict(images()), expected)
            assert np.array_equal(made(images()), expected)
            assert np.array_equal(made.call(images()), expected)

    def test_know_their_shapes(self):
        for made in chain()[:2]:
            assert (made.input_shape, made.output_shape) == ((None, 6, 7, 3), (None, 16))
            assert made.compute_output_shape((5, 8, 9, 3)) == (5, 3 * 3 * 4)
            assert made.inputs[0] is made.input
            assert made.outputs[0] is made.output

    def test_list_their_layers(self):
        sequential, model, layers = chain()
        assert sequential.layers == layers
        assert model.layers[1:] == layers
        assert isinstance(model.layers[0], InputLayer)
        assert model.get_layer("second") is layers[1]
        assert sequential.get_layer(index=0) is layers[0]

    @pytest.mark.parametrize("arguments", [{}, {"name": "a", "index": 0}, {"name": "fourth"}])
    def test_refuse_to_find_what_is_not_there(self, arguments):
        with pytest.raises(ValueError, match="expected"):
            chain()[1].get_layer(**arguments)

    def test_have_the_weights_of_their_layers(self):
        for made in chain()[:2]:
            paths = [weight.path.split("/")[-2:] for weight in made.weights]
            assert paths == [["first", "kernel"], ["first", "bias"]]
            assert made.count_params() == 3 * 3 * 3 * 4 + 4
            weights = [np.ones((3, 3, 3, 4)), np.full(4, 2)]
            made.set_weights(weights)
            assert all(map(np.array_equal, made.get_weights(), weights))

    def test_add_up_the_losses_of_their_layers(self):
        layers = [
            Conv2D(4, 3, kernel_regularizer=lambda w: 3.0, activity_regularizer=lambda y: 2.0),
            Flatten(activity_regularizer=lambda y: 8.0),
        ]
        model = Sequential(layers)
        model(images())
        assert model.losses == [1.0, 4.0, 3.0], "activity of each over the batch of 2, then weights"

    def test_set_trainable_for_every_layer(self):
        for made in chain()[:2]:
            made.trainable = False
            assert made.trainable_weights == []
            assert not any(layer.trainable for layer in made.layers)

    def test_convert_inputs_to_the_dtype_of_the_input(self):
        tensor = Input((3,), dtype="float16")
        model = Model(tensor, Flatten(dtype="float64")(tensor))
        given = np.array([[1 + 2**-11, 1, 2]])
        assert model(given).tolist() == [[1, 1, 2]]
        assert model(given.astype(np.int64)).tolist() == [[1, 1, 2]]

    def test_take_inputs_without_an_axis_of_length_1_at_the_end(self):
        """As Keras does; that it takes one too many as well is against the documentation."""
        deep = Input((3, 1))
        assert Model(deep, Flatten()(deep))(np.ones((2, 3))).shape == (2, 3)

    @pytest.mark.parametrize("shape", [(2, 4), (3,), (2, 3, 1), (2, 3, 2), (2, 3, 1, 1)])
    def test_refuse_inputs_of_another_shape(self, shape):
        tensor = Input((3,))
        with pytest.raises(ValueError, match=r"`inputs` has the shape .*; expected \(None, 3\)"):
            Model(tensor, Flatten()(tensor))(np.ones(shape))

    def test_refuse_a_batch_of_another_size_where_it_is_declared(self):
        tensor = Input(batch_shape=(10, 3))
        model = Model(tensor, Flatten()(tensor))
        assert model(np.ones((10, 3))).shape == (10, 3)
        with pytest.raises(ValueError, match=r"expected \(10, 3\)"):
            model(np.ones((5, 3)))

    @pytest.mark.parametrize(
        "given", [np.float32(1.5), np.float32("nan"), np.complex64(1j), np.int64(2**31)]
    )
    def test_refuse_to_lose_values_for_an_integer_input(self, given):
        tensor = Input((3,), dtype="int32")
        model = Model(tensor, Flatten()(tensor))
        with pytest.raises(TypeError, match=f"dtype {given.dtype}; expected int32"):
            model(np.full((2, 3), given))
        if given.dtype.kind == "c":
            return
        exact = model(np.ones((2, 3), given.dtype))
        assert (exact.dtype, exact.tolist()) == (np.int32, [[1] * 3] * 2)

    def test_print_a_summary(self):
        lines = []
        chain()[1].summary(print_fn=lines.append)
        assert "first (Conv2D)  (None, 4, 5, 4)  112" in lines
        assert lines[-1] == "Total params: 112"

    def test_leave_certificates_to_their_layers(self):
        with pytest.raises(TypeError, match="layer certifies"):
            chain()[1].certify(images())


class TestSequential:
    def test_is_built_layer_by_layer_from_input_shape(self):
        model = Sequential()
        model.add(Conv2D(4, 3, input_shape=(6, 7, 3)))
        assert model.output_shape == (None, 4, 5, 4)
        model.add(MaxPooling2D())
        assert model.output_shape == (None, 2, 2, 4)
        model.pop()
        assert model.output_shape == (None, 4, 5, 4)

    def test_take_a_single_layer_as_keras_2_does(self):
        layer = Flatten()
        with keras.config.reading_as("keras2"):
            assert Sequential(layer).layers == [layer]

    @pytest.mark.parametrize(
        ("given", "shape"),
        [
            ({"batch_input_shape": (5, 8)}, (5, 8)),
            ({"input_dim": 8}, (None, 8)),
            ({"input_shape": (8,)}, (None, 8)),
        ],
    )
    def test_takes_the_input_shape_in_every_form(self, given, shape):
        assert Sequential([Flatten(**given)]).input_shape == shape

    def test_is_built_by_build(self):
        model = Sequential([Conv2D(4, 3), Flatten()])
        model.build((None, 6, 7, 3))
        assert model.output_shape == (None, 80)

    def test_is_built_by_its_first_call_for_any_batch(self):
        model = Sequential([Conv2D(4, 3), Flatten()])
        assert (model.weights, model.built) == ([], False)
        assert model(images(2)).shape == (2, 80)
        assert model(images(5)).shape == (5, 80)
        assert model.output_shape == (None, 80)

    def test_takes_integers_at_its_first_call(self):
        assert Sequential([MaxPooling2D()])(images(dtype=np.int8)).dtype == np.int8

    @pytest.mark.parametrize("name", ["output_shape", "input_shape", "inputs", "outputs"])
    def test_has_no_shapes_before_it_is_built(self, name):
        with pytest.raises(AttributeError, match="not built"):
            getattr(Sequential([Flatten()]), name)

    def test_without_layers_computes_nothing(self):
        with pytest.raises(ValueError, match="no layers"):
            Sequential()(images())

    @pytest.mark.parametrize("bad", [3, None, "Flatten", Flatten, Flatten()(Input((3,)))])
    def test_refuses_what_is_no_layer(self, bad):
        with pytest.raises(TypeError, match=r"`layer` is .*; expected a layer"):
            Sequential().add(bad)

    def test_refuses_layers_that_are_no_list(self):
        with pytest.raises(TypeError, match="`layers` is"):
            Sequential(Flatten())

    def test_refuses_a_layer_that_cannot_follow_and_stays_as_it_was(self):
        model = Sequential([Flatten(input_shape=(6, 7, 3))])
        with pytest.raises(ValueError, match=r"\(None, 126\)"):
            model.add(Conv2D(4, 3))
        assert model.predict(images()).shape == (2, 126)

    def test_refuses_a_first_layer_that_does_not_fit_its_input_shape_and_stays_empty(self):
        model = Sequential()
        with pytest.raises(ValueError, match="too short"):
            model.add(Conv2D(4, 3, input_shape=(2, 2, 3)))
        model.add(Conv2D(4, 3, input_shape=(6, 7, 3)))
        assert model.output_shape == (None, 4, 5, 4)

    def test_refuses_a_first_call_that_does_not_fit_and_stays_as_it_was(self):
        model = Sequential([Conv2D(4, 3), Conv2D(4, 3), Flatten()])
        with pytest.raises(ValueError, match="too short"):
            model(np.ones((1, 4, 4, 3)))
        assert model(np.ones((1, 5, 5, 3))).shape == (1, 4)

    def test_refuses_a_second_input(self):
        with pytest.raises(ValueError, match="first layer only"):
            Sequential([Input((3,)), Input((3,))])

    def test_may_hold_a_layer_twice(self):
        layer = Conv1D(3, 1, input_shape=(5, 3))
        model = Sequential([layer, layer])
        assert len(model.layers) == len(model.weights) == 2

    def test_may_hold_a_model(self):
        inner = chain()[1]
        assert np.array_equal(Sequential([inner])(images()), inner(images()))


class TestNamesInAModel:
    def test_of_two_inputs_differ(self):
        first, second = Input((3,), name="a"), Input((3,), name="a")
        with pytest.raises(ValueError, match='`name` of 2 layers is "a"'):
            Model([first, second], [Flatten()(first), Flatten()(second)])

    def test_of_an_input_and_a_layer_differ(self):
        tensor = Input((3,), name="a")
        with pytest.raises(ValueError, match='`name` of 2 layers is "a"'):
            Model(tensor, Flatten(name="a")(tensor))

    def test_of_layers_of_a_sequential_differ(self):
        with pytest.raises(ValueError, match="'a', which another layer"):
            Sequential([Flatten(name="a"), Flatten(name="a")])
        with pytest.raises(ValueError, match="'a', which another layer"):
            Sequential([Input((3,), name="a"), Flatten(name="a")])

    def test_may_return_in_another_model(self):
        for _ in range(2):
            tensor = Input((3,), name="a")
            Model(tensor, Flatten(name="b")(tensor))


class TestGraphs:
    def test_may_have_several_inputs_and_outputs(self):
        first, second = Input((3,)), Input((4,))
        model = Model([first, second], [Flatten()(second), Flatten()(first)])
        outputs = model([np.ones((2, 3)), np.zeros((2, 4))])
        assert [output.shape for output in outputs] == [(2, 4), (2, 3)]
        assert model.output_shape == [(None, 4), (None, 3)]
        assert model.compute_output_shape([(5, 3), (5, 4)]) == [(5, 4), (5, 3)]

    def test_may_take_and_return_dictionaries(self):
        first, second = Input((3,)), Input((4,))
        model = Model({"p": first, "q": second}, {"r": Flatten()(second)})
        outputs = model({"q": np.zeros((2, 4)), "p": np.ones((2, 3))})
        assert {key: value.shape for key, value in outputs.items()} == {"r": (2, 4)}

    @pytest.mark.parametrize("bad", [np.ones((2, 3)), [np.ones((2, 3))], {"p": 1, "q": 2}])
    def test_refuse_inputs_of_another_structure(self, bad):
        first, second = Input((3,)), Input((4,))
        model = Model([first, second], Flatten()(second))
        with pytest.raises(ValueError, match="`inputs` is"):
            model(bad)

    def test_may_share_a_layer(self):
        layer, first, second = Conv1D(4, 3), Input((5, 3)), Input((6, 3))
        model = Model([first, second], [layer(first), layer(second)])
        assert len(model.weights) == 2
        outputs = model([np.ones((1, 5, 3)), np.ones((1, 6, 3))])
        assert np.array_equal(outputs[0][0, 0], outputs[1][0, 0])

    def test_may_be_called_on_symbolic_tensors(self):
        inner = chain()[1]
        tensor = Input((6, 7, 3))
        outer = Model(tensor, Flatten()(inner(tensor)))
        assert outer.output_shape == (None, 16)
        assert np.array_equal(outer(images()), inner(images()))

    def test_may_start_in_the_middle_of_another(self):
        _, model, layers = chain()
        between = layers[1].inbound_nodes[-1].inputs[0]
        part = Model(between, model.output)
        assert part.input_shape == (None, 4, 5, 4)
        assert np.array_equal(part(layers[0](images())), model(images()))

    def test_may_return_an_input_as_it_is(self):
        tensor = Input((3,))
        assert np.array_equal(Model(tensor, tensor)(np.ones((2, 3))), np.ones((2, 3)))

    def test_may_be_deep(self):
        """The order of the layers is found without recursion."""
        start = tensor = Input((3,))
        for _ in range(2000):
            tensor = Flatten()(tensor)
        assert len(Model(start, tensor).layers) == 2001

    def test_refuse_outputs_that_do_not_depend_on_the_inputs(self):
        first, second = Input((3,)), Input((3,))
        with pytest.raises(ValueError, match=r"`outputs` depends on .* not among `inputs`"):
            Model(first, Flatten()(second))

    @pytest.mark.parametrize(("inputs", "outputs"), [(np.ones(3), None), (None, np.ones(3))])
    def test_refuse_what_is_no_symbolic_tensor(self, inputs, outputs):
        tensor = Input((3,))
        with pytest.raises(TypeError, match="expected symbolic tensors"):
            Model(tensor if inputs is None else inputs, tensor if outputs is None else outputs)


class TestOrder:
    def test_of_layers_and_weights_is_that_of_keras(self):
        """By the distance from the outputs, then by a walk back from them, depth first."""
        one, two = Input((6, 2), name="one"), Input((6, 2), name="two")
        shared = Conv1D(2, 1, name="shared")
        first = Conv1D(2, 1, name="first")(two)
        deep = shared(Conv1D(2, 1, name="deep")(shared(first)))
        model = Model(
            [one, two, Input((1,), name="unused")], [Conv1D(2, 1, name="last")(one) + deep]
        )
        names = [layer.name for layer in model.layers]
        assert names == ["two", "first", "shared", "one", "deep", "last", "unused"]
        kernels = [weight.path.split("/")[0] for weight in model.weights[::2]]
        assert kernels == ["first", "shared", "deep", "last"]


class TestConfigurations:
    @pytest.mark.parametrize("index", [0, 1])
    @pytest.mark.parametrize("through_json", [False, True])
    def test_make_an_equal_model(self, index, through_json):
        made = chain()[index]
        text = made.to_json()
        if through_json:
            again = keras.models.model_from_json(text)
        else:
            again = type(made).from_config(made.get_config())
        again.set_weights(made.get_weights())
        assert again.to_json() == text
        assert np.array_equal(again(images()), made(images()))

    def test_keep_whether_a_model_is_trainable(self):
        for made in chain()[:2]:
            made.trainable = False
            assert not keras.models.model_from_json(made.to_json()).trainable

    def test_keep_shared_layers_several_inputs_and_dictionaries(self):
        layer, first, second = Conv1D(4, 3), Input((5, 3)), Input((6, 3))
        made = Model({"p": first, "q": second}, [layer(first), Flatten()(layer(second))])
        again = keras.models.model_from_json(made.to_json())
        again.set_weights(made.get_weights())
        given = {"p": np.ones((2, 5, 3)), "q": np.ones((2, 6, 3))}
        assert len(again.weights) == 2
        assert all(map(np.array_equal, again(given), made(given)))

    def test_of_a_model_that_is_not_built_leave_it_so(self):
        made = Sequential([Conv2D(4, 3)])
        assert not keras.models.model_from_json(made.to_json()).built

    def test_of_a_part_of_a_graph_are_refused(self):
        start = Input((3,))
        between = Flatten()(start)
        with pytest.raises(ValueError, match=r"`inputs` holds .*; expected results of Input"):
            Model(between, Flatten()(between)).get_config()

    def test_of_keras_2_are_read(self):
        policy = {"name": "c", "trainable": True, "dtype": "float32", "filters": 4}
        old = {
            "class_name": "Functional",
            "config": {
                "name": "model",
                "layers": [
                    {
                        "class_name": "InputLayer",
                        "config": {"batch_input_shape": [None, 6, 7, 3], "name": "i"},
                        "name": "i",
                        "inbound_nodes": [],
                    },
                    {
                        "class_name": "Conv2D",
                        "config": policy | {"kernel_size": [3, 3], "activation": "linear"},
                        "name": "c",
                        "inbound_nodes": [[["i", 0, 0, {}]]],
                    },
                ],
                "input_layers": [["i", 0, 0]],
                "output_layers": [["c", 0, 0]],
            },
        }
        model = keras.models.model_from_json(json.dumps(old))
        assert (model.name, model.output_shape) == ("model", (None, 4, 5, 4))
        assert model(images()).shape == (2, 4, 5, 4)

    def test_with_a_tensor_that_no_layer_makes_are_refused(self):
        config = json.loads(chain()[1].to_json())
        config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][
            0
        ] = "x"
        with pytest.raises(ValueError, match="tensors that no layer makes"):
            keras.models.model_from_config(config)


def test_symbolic_tensors_have_the_logical_operators() -> None:
    """``&``, ``|``, ``^``, ``~``, ``!=`` and ``round`` are calls of a graph, as in Keras."""
    start = Input((3,))
    both = (start > 0) & (start < 2)
    outputs = [both, (start > 2) | both, both ^ (start != 1), ~both, round(start)]
    model = Model(start, outputs)
    x = np.array([[-1.0, 1.0, 2.5]], np.float32)
    expected = [[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 0, 1], [-1, 1, 2]]
    again = Model.from_config(model.get_config())
    for made in (model, again):
        for output, values in zip(made(x), expected, strict=True):
            assert np.array_equal(output[0], values)

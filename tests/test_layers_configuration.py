"""Configurations of layers, names, Keras 1's argument names, settings and readings."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

import reference_impl as keras
from reference_impl import backend, config


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch, tmp_path):
    """No configuration file, and automatic names from the start."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config.reload()
    backend.clear_session()
    yield
    backend.set_reading("keras3")
    config.reload()


def write_settings(tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    config.reload()


POLICY = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


class TestConfiguration:
    def test_of_a_convolution_has_keras_3s_keys_in_its_order(self):
        assert list(keras.layers.Conv2D(4, 3).get_config()) == [
            "name",
            "trainable",
            "dtype",
            "filters",
            "kernel_size",
            "strides",
            "padding",
            "data_format",
            "dilation_rate",
            "groups",
            "activation",
            "use_bias",
            "kernel_initializer",
            "bias_initializer",
            "kernel_regularizer",
            "bias_regularizer",
            "activity_regularizer",
            "kernel_constraint",
            "bias_constraint",
        ]

    def test_of_a_convolution_has_keras_3s_values(self):
        found = keras.layers.Conv1D(4, 3, padding="SAME", activation="relu").get_config()
        assert found["dtype"] == POLICY
        assert found["kernel_initializer"] == {
            "module": "keras.initializers",
            "class_name": "GlorotUniform",
            "config": {"seed": None, "input_axes": None, "output_axes": None},
            "registered_name": None,
        }
        plain = {
            "name": "conv1d",
            "trainable": True,
            "filters": 4,
            "kernel_size": (3,),
            "strides": (1,),
            "padding": "same",
            "data_format": "channels_last",
            "dilation_rate": (1,),
            "groups": 1,
            "activation": "relu",
            "use_bias": True,
            "kernel_regularizer": None,
        }
        assert {key: found[key] for key in plain} == plain

    def test_names_the_identity_linear(self):
        assert keras.layers.Conv2D(4, 3).get_config()["activation"] == "linear"

    def test_has_a_given_activity_regularizer_fourth(self):
        layer = keras.layers.Conv2D(4, 3, activity_regularizer="l2")
        assert list(layer.get_config())[3] == "activity_regularizer"

    def test_of_a_pooling_layer_holds_its_strides(self):
        assert keras.layers.MaxPooling2D((2, 3)).get_config() == {
            "name": "max_pooling2d",
            "trainable": True,
            "dtype": POLICY,
            "pool_size": (2, 3),
            "padding": "valid",
            "strides": (2, 3),
            "data_format": "channels_last",
        }

    def test_of_flatten(self):
        assert keras.layers.Flatten().get_config() == {
            "name": "flatten",
            "trainable": True,
            "dtype": POLICY,
            "data_format": "channels_last",
        }

    def test_of_an_input(self):
        assert keras.layers.InputLayer((3,), name="a").get_config() == {
            "batch_shape": (None, 3),
            "dtype": "float32",
            "sparse": False,
            "ragged": False,
            "name": "a",
            "optional": False,
        }

    @pytest.mark.parametrize(
        "layer",
        [
            lambda: keras.layers.Conv1D(4, 3, 2, "same", dtype="float64", name="a"),
            lambda: keras.layers.Conv1D(4, 3, dilation_rate=2, data_format="channels_first"),
            lambda: keras.layers.Conv2D(
                4,
                (3, 2),
                use_bias=False,
                activation="softmax",
                kernel_initializer=keras.initializers.RandomNormal(1.0, 2.0, seed=3),
                bias_initializer="ones",
                kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
                bias_regularizer="l1",
                activity_regularizer=keras.regularizers.L2(0.5),
                kernel_constraint=keras.constraints.MaxNorm(3, axis=1),
                bias_constraint="unit_norm",
                trainable=False,
            ),
            lambda: keras.layers.MaxPooling1D(3, 2, "same"),
            lambda: keras.layers.MaxPooling2D((3, 2), data_format="channels_first", dtype="int8"),
            lambda: keras.layers.Flatten("channels_first", activity_regularizer="l1"),
            lambda: keras.layers.InputLayer(batch_shape=(2, None), dtype="int32", sparse=True),
        ],
    )
    @pytest.mark.parametrize("through_json", [False, True])
    def test_makes_an_equal_layer(self, layer, through_json):
        made = layer()
        given = made.get_config()
        given = json.loads(json.dumps(given)) if through_json else given
        assert type(made).from_config(given).get_config() == made.get_config()

    def test_with_its_class_makes_an_equal_layer(self):
        made = keras.layers.Conv2D(4, 3)
        made.build((None, 6, 7, 3))
        again = keras.layers.deserialize(keras.layers.serialize(made))
        assert (type(again), again.get_config()) == (type(made), made.get_config())
        assert again.kernel.shape == made.kernel.shape

    def test_of_keras_2_is_read(self):
        old = {
            "name": "conv2d_5",
            "trainable": True,
            "batch_input_shape": (None, 6, 7, 3),
            "dtype": "float64",
            "filters": 4,
            "kernel_size": (3, 3),
            "strides": (1, 1),
            "padding": "same",
            "data_format": "channels_last",
            "dilation_rate": (1, 1),
            "groups": 1,
            "activation": "relu",
            "use_bias": True,
            "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
            "bias_initializer": {"class_name": "Zeros", "config": {}},
            "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
            "bias_regularizer": None,
            "activity_regularizer": None,
            "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
            "bias_constraint": None,
        }
        layer = keras.layers.Conv2D.from_config(old)
        assert (layer.name, layer.dtype, layer.padding) == ("conv2d_5", "float64", "same")
        assert layer.kernel_regularizer.l2 == 0.5
        assert keras.Sequential([layer]).output_shape == (None, 6, 7, 4)

    def test_of_an_input_of_keras_2_is_read(self):
        old = {"batch_input_shape": (None, 3), "dtype": "float32", "sparse": False, "name": "a"}
        assert keras.layers.InputLayer.from_config(old).batch_shape == (None, 3)

    def test_of_a_ragged_input_is_refused(self):
        with pytest.raises(ValueError, match="`ragged` is True"):
            keras.layers.InputLayer.from_config({"batch_shape": (None, 3), "ragged": True})


class Custom(keras.layers.Layer):
    def __init__(self, units, flags=(True, {"a": None}), **keywords):
        super().__init__(**keywords)
        self.units, self.flags = units, flags


class Unnamed(keras.layers.Layer):
    def __init__(self, *units, **keywords):
        super().__init__(**keywords)


class Bare(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()


class Subclassed(keras.Model):
    def __init__(self, filters, **keywords):
        super().__init__(**keywords)
        self.layer = keras.layers.Conv1D(filters, 1)

    def call(self, x):
        return self.layer(x)


class Derived(keras.layers.Conv1D):
    def __init__(self, filters, kernel_size=1, own=3, **keywords):
        super().__init__(filters, kernel_size, **keywords)


class TestAutomaticConfiguration:
    """Of classes that define no ``get_config``, as in Keras: what ``__init__`` was given."""

    def test_holds_the_arguments_with_their_defaults(self):
        config = Custom(3, name="mine", dtype="float64").get_config()
        assert (config["name"], config["units"]) == ("mine", 3)
        again = Custom.from_config(config)
        assert (again.units, again.flags, again.dtype) == (3, (True, {"a": None}), "float64")

    def test_of_a_model_makes_it_again(self):
        again = Subclassed.from_config(Subclassed(5).get_config())
        assert again.layer.filters == 5

    def test_leaves_out_a_name_that_nothing_takes(self):
        assert sorted(Bare(3).get_config()) == ["dtype", "trainable", "units"]

    def test_is_not_added_to_one_that_is_defined(self):
        assert "own" not in Derived(2).get_config()

    @pytest.mark.parametrize("layer", [Custom(np.ones(2)), Unnamed(1), Custom(Bare(1))])
    def test_refuses_what_is_not_plain_or_has_no_name(self, layer):
        with pytest.raises(NotImplementedError, match=f"{type(layer).__name__} .*`get_config`"):
            layer.get_config()

    def test_does_not_need_the_arguments_of_the_base_class_to_be_plain(self):
        layer = Custom(1, activity_regularizer=keras.regularizers.L2(0.5))
        again = Custom.from_config(layer.get_config())
        assert again.activity_regularizer.l2 == 0.5


class TestNames:
    def test_count_per_class(self):
        makers = [
            (lambda: keras.layers.Conv1D(4, 3), "conv1d"),
            (lambda: keras.layers.Conv2D(4, 3), "conv2d"),
            (keras.layers.MaxPooling1D, "max_pooling1d"),
            (keras.layers.MaxPooling2D, "max_pooling2d"),
            (keras.layers.Flatten, "flatten"),
            (lambda: keras.layers.InputLayer((3,)), "input_layer"),
            (keras.Sequential, "sequential"),
        ]
        for maker, name in makers:
            assert [maker().name for _ in range(3)] == [name, f"{name}_1", f"{name}_2"]

    def test_start_over_with_the_session(self):
        assert keras.layers.Flatten().name == "flatten"
        backend.clear_session()
        assert keras.layers.Flatten().name == "flatten"

    def test_given_by_the_caller_are_kept_and_not_reserved(self):
        assert keras.layers.Flatten(name="flatten").name == "flatten"
        assert keras.layers.Flatten().name == "flatten"

    @pytest.mark.parametrize(
        ("class_name", "name"),
        [
            ("MyConv2D", "my_conv2d"),
            ("Conv2DBNReLU", "conv2dbn_re_lu"),
            ("HTTPLayer", "http_layer"),
        ],
    )
    def test_of_other_classes_are_in_snake_case(self, class_name, name):
        made = type(class_name, (keras.layers.Flatten,), {})()
        assert made.name == name

    def test_of_symbolic_tensors_count_together(self):
        tensor = keras.Input((3,))
        assert [tensor.name, keras.layers.Flatten()(tensor).name] == [
            "keras_tensor",
            "keras_tensor_1",
        ]

    def test_of_keras_2_count_inputs_from_one(self):
        with backend.reading_as("keras2"):
            names = [keras.layers.InputLayer((3,)).name for _ in range(2)]
            tensor = keras.Input((3,))
            assert keras.Model(tensor, keras.layers.Flatten()(tensor)).name == "model"
        assert names == ["input_1", "input_2"]


class TestKeras1Names:
    @pytest.mark.parametrize("mode", ["valid", "same", "SAME"])
    @pytest.mark.parametrize("maker", [keras.layers.MaxPooling1D, keras.layers.MaxPooling2D])
    def test_border_mode_is_padding(self, maker, mode):
        assert maker(border_mode=mode).padding == mode.lower()

    @pytest.mark.parametrize("name", ["dim_ordering", "image_dim_ordering"])
    @pytest.mark.parametrize(
        ("value", "meaning"), [("tf", "channels_last"), ("th", "channels_first")]
    )
    @pytest.mark.parametrize("maker", [keras.layers.MaxPooling2D, keras.layers.Flatten])
    def test_dim_ordering_is_data_format(self, maker, name, value, meaning):
        assert maker(**{name: value}).data_format == meaning

    def test_of_the_setting(self):
        backend.set_image_dim_ordering("th")
        assert backend.image_data_format() == "channels_first"
        assert backend.image_dim_ordering() == "th"


@pytest.mark.parametrize("value", ["SAME", "Same", "same"])
def test_padding_may_be_in_any_case(value):
    assert keras.layers.Conv1D(4, 3, padding=value).padding == "same"


@pytest.mark.parametrize("value", ["CHANNELS_FIRST", "Channels_First", "channels_first"])
def test_the_data_format_may_be_in_any_case(value):
    assert keras.layers.Conv2D(4, 3, data_format=value).data_format == "channels_first"


WINDOWED_1D = [lambda: keras.layers.Conv1D(4, 3), keras.layers.MaxPooling1D]
OTHERS = [lambda: keras.layers.Conv2D(4, 3), keras.layers.MaxPooling2D, keras.layers.Flatten]


class TestSettings:
    def test_are_the_defaults_without_a_file(self):
        assert backend.image_data_format() == "channels_last"
        assert (backend.floatx(), backend.epsilon()) == ("float32", 1e-7)

    def test_come_from_the_file_in_keras_home(self, tmp_path):
        settings = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 1e-3}
        write_settings(tmp_path, json.dumps(settings | {"backend": "theano"}))
        assert backend.image_data_format() == "channels_first"
        assert (backend.floatx(), backend.epsilon()) == ("float64", 1e-3)

    def test_come_from_the_home_directory_without_keras_home(self, tmp_path, monkeypatch):
        monkeypatch.delenv("KERAS_HOME")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        (tmp_path / ".keras").mkdir()
        (tmp_path / ".keras" / "keras.json").write_text('{"image_data_format": "channels_first"}')
        config.reload()
        assert backend.image_data_format() == "channels_first"

    @pytest.mark.parametrize(
        ("value", "meaning"), [("tf", "channels_last"), ("th", "channels_first")]
    )
    def test_are_read_by_keras_1s_name(self, tmp_path, value, meaning):
        write_settings(tmp_path, json.dumps({"image_dim_ordering": value}))
        assert backend.image_data_format() == meaning

    def test_by_keras_1s_name_yield_to_those_by_the_newer_one(self, tmp_path):
        settings = {"image_dim_ordering": "th", "image_data_format": "channels_last"}
        write_settings(tmp_path, json.dumps(settings))
        assert backend.image_data_format() == "channels_last"

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '"abc"'])
    def test_are_the_defaults_with_a_warning_where_the_file_is_no_json_object(self, tmp_path, text):
        write_settings(tmp_path, text)
        with pytest.warns(UserWarning, match=r"keras\.json is ignored"):
            assert backend.image_data_format() == "channels_last"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert backend.floatx() == "float32", "the warning comes once"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("image_data_format", "NCHW"),
            ("image_data_format", None),
            ("image_dim_ordering", "theano"),
            ("floatx", "int32"),
            ("floatx", 32),
            ("epsilon", "1e-7"),
            ("epsilon", 1),
            ("epsilon", -1.0),
        ],
    )
    def test_of_the_file_that_are_not_allowed_are_refused_by_name(self, tmp_path, name, value):
        write_settings(tmp_path, json.dumps({name: value}))
        for _ in range(2):
            with pytest.raises(
                ValueError, match=rf"`{name}` is {value!r} in .*keras\.json; expected"
            ):
                backend.floatx()

    def test_with_a_byte_order_mark_are_read(self, tmp_path):
        (tmp_path / "keras.json").write_bytes(b'\xef\xbb\xbf{"floatx": "float16"}')
        config.reload()
        assert backend.floatx() == "float16"

    def test_are_never_written(self, tmp_path):
        program = "import reference_impl as k; k.backend.set_floatx('float64'); k.layers.Flatten()"
        subprocess.run([sys.executable, "-c", program], check=True)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("setter", "value"),
        [
            (backend.set_image_data_format, "NCHW"),
            (backend.set_image_data_format, None),
            (backend.set_image_dim_ordering, "channels_last"),
            (backend.set_floatx, "int32"),
            (backend.set_epsilon, "a"),
            (backend.set_reading, "keras4"),
        ],
    )
    def test_that_are_not_allowed_are_refused(self, setter, value):
        with pytest.raises(ValueError, match=rf"is {value!r}; expected"):
            setter(value)

    def test_set_by_hand_win_over_the_file_and_leave_the_others(self, tmp_path):
        write_settings(tmp_path, '{"image_data_format": "channels_first", "floatx": "float64"}')
        backend.set_image_data_format("CHANNELS_LAST")
        assert backend.image_data_format() == "channels_last"
        assert backend.floatx() == "float64"

    @pytest.mark.parametrize("maker", [*WINDOWED_1D, *OTHERS])
    def test_of_the_data_format_hold_for_layers_made_afterwards(self, maker):
        before = maker()
        backend.set_image_data_format("channels_first")
        assert (before.data_format, maker().data_format) == ("channels_last", "channels_first")

    def test_of_the_dtype_hold_for_layers_and_inputs_made_afterwards(self):
        backend.set_floatx("float64")
        assert keras.layers.Conv2D(4, 3).dtype == keras.Input((3,)).dtype == "float64"


class TestReadings:
    def test_of_keras_2_keeps_one_dimension_at_channels_last(self):
        backend.set_image_data_format("channels_first")
        with backend.reading_as("keras2"):
            assert {maker().data_format for maker in WINDOWED_1D} == {"channels_last"}
            assert {maker().data_format for maker in OTHERS} == {"channels_first"}
        assert {maker().data_format for maker in WINDOWED_1D} == {"channels_first"}

    @pytest.mark.parametrize(("version", "dtype"), [("keras3", "float32"), ("keras2", "float64")])
    def test_of_the_dtype_of_an_input_by_input_shape(self, version, dtype):
        with backend.reading_as(version):
            layer = keras.layers.Flatten(dtype="float64", input_shape=(3,))
            assert keras.Sequential([layer]).inputs[0].dtype == dtype

    def test_of_keras_2_lets_input_wrap_an_array(self):
        array = np.arange(6.0).reshape(2, 3)
        with backend.reading_as("keras2"):
            tensor = keras.Input(tensor=array)
        model = keras.Model(tensor, keras.layers.Flatten(dtype="float64")(tensor))
        assert (tensor.shape, tensor.dtype) == ((2, 3), "float64")
        assert np.array_equal(model.predict(), array), "nothing needs to be fed"
        assert np.array_equal(model.predict(-array), -array), "what is fed wins"

    def test_returns_to_what_it_was(self):
        with pytest.raises(KeyError), backend.reading_as("keras2"):
            raise KeyError
        assert backend.reading() == "keras3"

"""What an implementation is asked further where no fault explains its failures."""

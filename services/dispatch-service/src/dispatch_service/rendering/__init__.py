"""What a customer gets to see: a parcel said in the way of each channel. Pure, and cached."""

"""What services cost: estimated before, held under caps, recorded after."""
